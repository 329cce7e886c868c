"""What a page shows, and the folder that it is made of.

``data.js`` has what tests have found, ``runs.js`` the curves of training, which a
page asks for again while a run is at work.
"""

import base64
import io
import json
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from speechbrain.utils.distributed import main_process_only
from speechbrain.utils.logger import get_logger

from okd_brain.audio import read_audio
from okd_brain.files import read_json, replacing, replacing_folder
from okd_brain.messages import UserError, listed
from okd_brain.metrics import METRICS, POWER_RATIO_DB
from okd_brain.page.curves import (
    VALIDATION,
    Run,
    curves_of,
    experiment_of,
    read_run,
)
from okd_brain.results import (
    UNPROCESSED,
    read_conditions,
    read_scores,
    summarise_scores,
)
from okd_brain.results.samples import CLEAN, FOLDER, INDEX
from okd_brain.training import TRAIN_LOG

logger = get_logger(__name__)

STATIC = Path(__file__).with_name("static")
WRITTEN = ("audio", "data.js", "runs.js", ".DS_Store")  # the last by Finder
CONDITION_FILES = ("test.json", "conditions.json")  # of train.py, evaluate.py
FULL_SCALE = 0.99  # of what is heard: louder samples are all turned down
DIGITS = 5  # of a score


@dataclass(frozen=True)
class Results:
    """What one results folder holds.

    Attributes
    ----------
    folder : Path
        Of ``train.py`` or ``evaluate.py``.
    name : str
        What the page calls it.
    experiment : str
        What it calls all seeds of one experiment.
    run : Run or None
        Its training, where there was one.
    results : dict
        Its results.json; empty, as all that follows, if a run is not done.
    scores : dict
        system -> utterance -> metric -> value.
    conditions : dict
        utterance -> condition -> value.
    samples : dict
        utterance -> {"kind", "files": system -> path within ``samples``}.
    """

    folder: Path
    name: str
    experiment: str
    run: Run | None
    results: dict
    scores: dict
    conditions: dict
    samples: dict


def read_results(folder, name=None):
    """Read a results folder.

    Arguments
    ---------
    folder : str or Path
        Output folder of ``train.py``, of a run that may be at work, or of
        ``evaluate.py -o``.
    name : str, optional
        What to call it; by default as the folder, or as the experiment and the
        seed: "okd_50/1". What precedes the last slash is the experiment.

    Returns
    -------
    Results

    Raises
    ------
    UserError
        If it is not such a folder, or a file in it cannot be read.
    """
    folder = Path(folder)
    experiment, known_as = experiment_of(folder)
    if name is not None:
        experiment, known_as = name.rpartition("/")[0] or name, name
    run = read_run(folder)
    if run is not None and not run.is_done:
        return Results(folder, known_as, experiment, run, {}, {}, {}, {})
    if not (folder / "results.json").is_file():
        raise UserError(
            f"{folder} has neither results.json nor {TRAIN_LOG}: name the output "
            "folder of train.py, or of evaluate.py -o"
        )
    results = read_json(folder / "results.json")
    scores = read_scores(folder / "scores_test.csv", fewest=1)
    utterances = list(
        dict.fromkeys(u for rows in scores.values() for u in rows)
    )
    conditions = {}
    for file in CONDITION_FILES:
        if (folder / file).is_file():
            try:
                conditions = read_conditions(folder / file, utterances)
            except UserError:  # a corpus may know none of them
                continue
    samples = {}
    if (folder / FOLDER / INDEX).is_file():
        samples = read_json(folder / FOLDER / INDEX).get("utterances", {})
    return Results(
        *(folder, known_as, experiment, run),
        *(results, scores, conditions, samples),
    )


def make_page(sources, output, title=None):
    """Write the page.

    Arguments
    ---------
    sources : list of Results
        Those that were tested are of the same test set.
    output : str or Path
        The folder to write, or to replace if it is an earlier page.
    title : str, optional
        By default the corpus, and the names of the sources.

    Returns
    -------
    int
        How many utterances can be heard.

    Raises
    ------
    UserError
        If the sources are of different test sets, a sample cannot be read, or
        the output folder holds something else than a page.
    """
    output = Path(output)
    own = {*(path.name for path in STATIC.iterdir()), *WRITTEN}
    there = output.iterdir() if output.is_dir() else [output] * output.exists()
    if foreign := {path.name for path in there} - own:
        raise UserError(
            f"{output} is there and is not a page of this command, which does "
            f"not write {min(foreign)}: name another folder, or remove it"
        )
    if len({source.name for source in sources}) < len(sources):
        raise UserError(
            "Two results have one name: call one of them otherwise, as in "
            f"{sources[0].folder}=NAME"
        )
    everything, sources = sources, [s for s in sources if s.results]
    rows = _systems(sources)
    unprocessed = next((n for n in rows if n in UNPROCESSED), None)
    content = _content(sources, rows, unprocessed)
    names = ", ".join(source.name for source in everything)
    corpus = content["corpus"]
    content["title"] = title or (f"{corpus}: {names}" if corpus else names)
    samples = _samples(sources, rows, unprocessed)
    by_name = {one["id"]: one for one in content["utterances"]}
    output.resolve().parent.mkdir(parents=True, exist_ok=True)
    with replacing_folder(output) as partial:
        shutil.copytree(STATIC, partial, dirs_exist_ok=True)
        (partial / "audio").mkdir()
        for number, (name, (kind, files)) in enumerate(samples.items(), 1):
            if name in by_name:
                file = f"audio/{number:04d}.js"
                text = _sound(name, files)
                (partial / file).write_text(text, encoding="ascii")
                by_name[name] |= {"audio": file, "kind": kind}
        text = json.dumps(content, separators=(",", ":"))  # ASCII
        (partial / "data.js").write_text(f"OKD.show({text});\n")
        write_curves(everything, partial)
    return sum("audio" in one for one in content["utterances"])


def write_curves(sources, page):
    """Write the curves of a page anew; the page in the browser takes them.

    Arguments
    ---------
    sources : list of Results
        Those without a run are left out.
    page : str or Path
        Folder of the page.
    """
    runs = [
        {
            "name": source.name,
            "experiment": source.experiment,
            **curves_of(source.run),
        }
        for source in sources
        if source.run is not None
    ]
    metrics = {m for run in runs for m in run["curves"].get(VALIDATION, ())}
    content = {
        "runs": runs,
        "unprocessed": UNPROCESSED,
        "higher_is_better": {m: _is_higher_better(m) for m in sorted(metrics)},
    }
    text = json.dumps(content, separators=(",", ":"))
    with replacing(Path(page) / "runs.js") as partial:
        partial.write_text(f"OKD.follow({text});\n")


@main_process_only
def show_run(folder):
    """Make the page of a run that is done, in its folder; say where it is.

    Only the main process does.

    Arguments
    ---------
    folder : str or Path
        Of ``train.py``. Without samples there is nothing to hear, and no page.
    """
    source = read_results(folder)
    if source.samples:
        page = Path(folder) / "report"
        make_page([source], page)
        logger.info("To hear and to compare: %s", page / "index.html")


def _systems(sources):
    """Return row -> (source, system); the first unprocessed row stands for all."""
    rows = {}
    for source in sources:
        for system in source.scores:
            if len(sources) == 1:
                rows[system] = (source, system)
            elif system in UNPROCESSED:
                known, _ = rows.setdefault(system, (source, system))
                _refuse_other_test_set(known, source, system)
            else:
                rows[f"{source.name}/{system}"] = (source, system)
    return rows


def _refuse_other_test_set(known, source, system):
    first, second = known.scores[system], source.scores[system]
    differing = [u for u in first if u not in second]
    differing += [u for u in second if u not in first]
    for utterance in first.keys() & second.keys():
        ours, theirs = first[utterance], second[utterance]
        if any(
            abs(ours[m] - theirs[m]) > 1e-3 for m in ours.keys() & theirs.keys()
        ):
            differing.append(utterance)
    if differing:
        raise UserError(
            f"{known.folder} and {source.folder} are not of one test set: they "
            f"differ in {listed(sorted(differing))}"
        )


def _content(sources, rows, unprocessed):
    """Return what data.js holds."""
    metrics = list(
        dict.fromkeys(
            metric
            for source, system in rows.values()
            for metric in next(iter(source.scores[system].values()))
        )
    )
    utterances = list(
        dict.fromkeys(
            utterance
            for source, system in rows.values()
            for utterance in source.scores[system]
        )
    )
    conditions, kinds = {}, {}
    for source in sources:
        conditions |= source.conditions
        kinds |= {u: one.get("kind", "") for u, one in source.samples.items()}
    return {
        "unprocessed": unprocessed,
        "metrics": [
            {
                "name": name,
                "higher_is_better": _is_higher_better(name),
            }
            for name in metrics
        ],
        "systems": [
            {
                "name": row,
                **_origin(source, system),
                "means": {
                    metric: _summary(source.scores[system], metric)
                    for metric in metrics
                },
            }
            for row, (source, system) in rows.items()
        ],
        "utterances": [
            {"id": name, **conditions.get(name, {})} for name in utterances
        ],
        "scores": {
            row: {
                metric: [
                    _number(
                        source.scores[system]
                        .get(name, {})
                        .get(metric, math.nan)
                    )
                    for name in utterances
                ]
                for metric in metrics
            }
            for row, (source, system) in rows.items()
        },
        "split": sources[0].results.get("split", "test") if sources else None,
        "corpus": sources[0].results["corpus"] if sources else None,
    }


def _is_higher_better(metric):
    """Tell what is better; None where neither is."""
    if metric == POWER_RATIO_DB.name:
        return None
    return getattr(METRICS.get(metric), "higher_is_better", True)


def _origin(source, system):
    origin = source.results.get("checkpoints", {}).get(system, {})
    known = ("epoch", "chosen_on", "source")
    return {key: origin[key] for key in known if key in origin}


def _summary(by_utterance, metric):
    values = np.array([r.get(metric, math.nan) for r in by_utterance.values()])
    found = summarise_scores(values)
    numbers = map(_number, (found.mean, found.low, found.high))
    return [*numbers, found.scored]


def _number(value):
    return round(value, DIGITS) if math.isfinite(value) else None


def _samples(sources, rows, unprocessed):
    """Return utterance -> (kind, {row: file}); "clean" is the first of them."""
    found = {}
    for source in sources:
        for utterance, one in source.samples.items():
            _, files = found.setdefault(utterance, (one.get("kind", ""), {}))
            names = {s: row for row, (of, s) in rows.items() if of is source}
            names |= {CLEAN: CLEAN, unprocessed: unprocessed}
            for system, file in one["files"].items():
                if system in names:
                    files.setdefault(
                        names[system], source.folder / FOLDER / file
                    )
    return found


def _sound(name, files):
    """Return a script with the sound of an utterance: FLAC of each system.

    A browser does not let a page from disk read files, except scripts.
    """
    waves, rates = {}, {}
    for system, path in files.items():
        wave, rates[system], _ = read_audio(path)
        waves[system] = wave[:, 0]
    peak = max(np.abs(wave).max(initial=0.0) for wave in waves.values())
    factor = min(1.0, FULL_SCALE / max(peak, 1e-9))
    sounds = {}
    for system, wave in waves.items():
        buffer = io.BytesIO()
        soundfile.write(
            buffer,
            wave * factor,
            rates[system],
            format="FLAC",
            subtype="PCM_16",
        )
        sounds[system] = base64.b64encode(buffer.getvalue()).decode()
    told = {
        "sample_rate": max(rates.values()),
        "turned_down_db": round(-20 * math.log10(factor), 1),
        "sounds": sounds,
    }
    return f"OKD.hear({json.dumps(name)}, {json.dumps(told)});\n"
