"""okd-score and evaluate.py with files as users have them: the right scores."""

import csv
import json
import os
import shutil
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import soundfile
from scoring_signals import RATE, noisy, speech
from stand_ins import stand_in_for_speechmos

from okd_brain.evaluation import main as evaluate
from okd_brain.evaluation.score import main as okd_score
from okd_brain.metrics import METRICS
from okd_brain.results import read_scores

METRIC_NAMES = ["segsnr", "si_sdr"]
LATIN_1 = os.fsdecode(b"caf\xe9")  # as old disks have it


def store(path, signal, rate=RATE, **layout):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(os.fsencode(path), signal, rate, **layout)
    return path


def pair(folder, name, index=0, suffix=".wav"):
    """Write clean and enhanced; return the latter's path."""
    store(folder / "clean" / f"{name}{suffix}", speech(index))
    path = folder / "enhanced" / f"{name}{suffix}"
    return store(path, noisy(index, 20.0))


def patched(path, position, content):
    data = bytearray(path.read_bytes())
    data[position : position + len(content)] = content
    path.write_bytes(data)


def truncated(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def said_by_okd(caplog):
    """Return (level, message) of its records; other tests may let others through."""
    return [
        (record.levelname, record.getMessage())
        for record in caplog.records
        if record.name.startswith("okd_brain")
    ]


def expected(folder, name, suffix=".wav"):
    """Return the scores of files that read like any other."""
    clean, enhanced = (
        soundfile.read(
            os.fsencode(folder / kind / f"{name}{suffix}"), dtype="float32"
        )[0]
        for kind in ("clean", "enhanced")
    )
    return {
        metric: METRICS[metric].score(reference=clean, degraded=enhanced)
        for metric in METRIC_NAMES
    }


def score(folder, *options):
    """Run okd-score on two folders; return its exit code and utterances."""
    paths = [folder / "clean", folder / "enhanced"]
    output = folder / "out" / "scores.csv"
    arguments = [*paths, "--metrics", *METRIC_NAMES, "-o", output, *options]
    code = okd_score([*map(str, arguments), "--n_jobs", "1"])
    return code, None if code == 2 else read_scores(output)["scores"]


def compare(folder, *options):
    """Run evaluate.py on the same: the row "noisy" is what is enhanced."""
    arguments = [f"{folder / 'clean'}=perfect", "--clean", folder / "clean"]
    arguments += ["--noisy", folder / "enhanced", "--metrics", *METRIC_NAMES]
    arguments += ["--device", "cpu", "--n_jobs", "1", "-o", folder / "table"]
    code = evaluate([*map(str, arguments), *options])
    path = folder / "table" / "scores_test.csv"
    return code, None if code == 2 else read_scores(path)["noisy"]


BOTH = pytest.mark.parametrize("run", [score, compare])


# --- names and folders -------------------------------------------------------


@BOTH
def test_names_that_are_not_utf8_are_scored(tmp_path, capfd, run):
    pair(tmp_path, LATIN_1)
    pair(tmp_path, "plain", 1)
    code, scores = run(tmp_path)
    assert code == 0
    assert set(scores) == {LATIN_1, "plain"}
    for name in scores:
        assert scores[name] == pytest.approx(expected(tmp_path, name))


def test_json_with_names_that_are_not_utf8(tmp_path):
    pair(tmp_path, LATIN_1)
    output = tmp_path / "scores.json"
    arguments = [tmp_path / "clean", tmp_path / "enhanced", "-o", output]
    arguments += ["--metrics", "si_sdr", "--n_jobs", "1"]
    assert okd_score([*map(str, arguments)]) == 0
    content = json.loads(output.read_text(encoding="utf-8"))
    assert os.fsencode(*content["utterances"]) == b"caf\xe9"


@pytest.mark.slow  # imports torch anew
def test_a_row_whose_name_is_not_utf8_is_printed(tmp_path):
    """Also where the terminal knows nothing but ASCII."""
    pair(tmp_path, "a")
    theirs = tmp_path / LATIN_1
    shutil.copytree(tmp_path / "clean", theirs)
    script = f"import sys; sys.path[:] = {sys.path!r}\n" + (
        "from okd_brain.evaluation import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, theirs, "--clean", tmp_path / "clean"]
        + ["--noisy", tmp_path / "enhanced", "--metrics", "si_sdr"]
        + ["--n_jobs", "1", "--device", "cpu"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "\n| caf\\xe9 |  | n/a |" in done.stdout


@BOTH
def test_accents_may_be_composed_or_not(tmp_path, run):
    """macOS writes NFD, Linux what was typed; they look the same."""
    composed = unicodedata.normalize("NFC", "café_01")
    decomposed = unicodedata.normalize("NFD", "café_01")
    path = pair(tmp_path, composed)
    values = expected(tmp_path, composed)
    path.rename(path.with_name(f"{decomposed}.wav"))
    log = tmp_path / "log_testset.txt"
    log.write_text(f"{decomposed} bus 5\n")
    options = ["--log", str(log)] if run is compare else []
    code, scores = run(tmp_path, *options)
    assert (code, scores) == (0, {composed: pytest.approx(values)})


@BOTH
def test_links_to_folders_are_followed(tmp_path, run):
    for number, name in enumerate(["p1/a", "p2/b"]):
        pair(tmp_path / "disk", name, number)
        for kind in ("clean", "enhanced"):
            folder = tmp_path / kind
            folder.mkdir(exist_ok=True)
            speaker = name[:2]
            (folder / speaker).symlink_to(tmp_path / "disk" / kind / speaker)
    (tmp_path / "enhanced" / "p1" / "loop").symlink_to(tmp_path / "enhanced")
    code, scores = run(tmp_path)
    assert code == 0
    assert scores == {
        name: pytest.approx(expected(tmp_path, name))
        for name in ("p1/a", "p2/b")
    }


@BOTH
def test_two_files_of_one_name_are_an_error(tmp_path, run, capsys):
    path = pair(tmp_path, "p_1")
    twin = store(path.with_suffix(".WAV"), noisy())
    assert run(tmp_path) == (2, None)
    [said] = capsys.readouterr().err.splitlines()
    assert str(path) in said and str(twin) in said
    assert "have the same name: remove or rename one of them" in said


@BOTH
def test_a_name_of_240_bytes(tmp_path, run):
    name = "n" * 240
    pair(tmp_path, name)
    code, scores = run(tmp_path)
    assert (code, scores) == (
        0,
        {name: pytest.approx(expected(tmp_path, name))},
    )


def test_an_output_with_a_name_of_250_bytes(tmp_path):
    pair(tmp_path, "a")
    output = tmp_path / f"{'n' * 246}.csv"
    arguments = [tmp_path / "clean", tmp_path / "enhanced", "-o", output]
    arguments += ["--metrics", "si_sdr", "segsnr", "--n_jobs", "1"]
    assert okd_score([*map(str, arguments)]) == 0
    assert list(read_scores(output)["n" * 246]) == ["a"]


def test_a_folder_named_like_a_file_is_a_folder(tmp_path):
    for kind in ("clean", "enhanced"):
        store(tmp_path / kind / "take1.wav" / "b.wav", speech())
        store(tmp_path / f"{kind}.wav" / "a.wav", speech())
    code, scores = score(tmp_path)
    assert (code, list(scores)) == (0, ["take1.wav/b"])
    paths = [str(tmp_path / f"{kind}.wav") for kind in ("clean", "enhanced")]
    assert okd_score([*paths, "--metrics", "segsnr", "--n_jobs", "1"]) == 0


# --- what is in the files ----------------------------------------------------


@BOTH
def test_integers_stored_as_floats_are_refused(tmp_path, run, caplog):
    pair(tmp_path, "good", 1)
    path = pair(tmp_path, "loud")
    store(path, 32767 * noisy(), subtype="FLOAT")
    code, scores = run(tmp_path)
    assert code == 1
    assert np.isnan(list(scores["loud"].values())).all()
    assert scores["good"] == pytest.approx(expected(tmp_path, "good"))
    [said] = [text for _, text in said_by_okd(caplog) if "loud" in text]
    assert f"loud: {path}: has a sample of" in said
    assert "integers seem to be stored as floating-point numbers" in said


@BOTH
def test_a_truncated_file_is_named_with_both_lengths(tmp_path, run, caplog):
    """It is not scored, as its partner is longer."""
    path = pair(tmp_path, "a")
    truncated(path)
    count = len(speech())
    left = soundfile.info(path).frames
    code, scores = run(tmp_path)
    assert code == 1 and np.isnan(scores["a"]["si_sdr"])
    [said] = {text for _, text in said_by_okd(caplog) if "a: " in text}
    assert f"{path} is truncated: its header announces {count} samples" in said
    assert f"it has {left}" in said


@BOTH
def test_two_truncated_files_are_scored_as_far_as_they_go(
    tmp_path, run, caplog
):
    path = pair(tmp_path, "a")
    truncated(path), truncated(tmp_path / "clean" / "a.wav")
    code, scores = run(tmp_path)
    assert (code, scores) == (0, {"a": pytest.approx(expected(tmp_path, "a"))})
    found = [one for one in said_by_okd(caplog) if "truncated" in one[1]]
    assert len(found) == 2  # once, however many systems there are
    for level, said in found:
        assert level == "WARNING" and "; scored as far as it goes" in said


@BOTH
def test_a_recording_that_was_never_closed_is_scored_whole(
    tmp_path, run, caplog
):
    path = pair(tmp_path, "a")
    values = expected(tmp_path, "a")
    patched(path, path.read_bytes().index(b"data") + 4, bytes(4))
    assert run(tmp_path) == (0, {"a": pytest.approx(values)})
    said = f"{path} was never closed: its header announces 0 samples, it has"
    assert said in caplog.text


@BOTH
def test_a_stream_of_unknown_length_is_scored(tmp_path, run, caplog):
    path = pair(tmp_path, "a", suffix=".flac")
    values = expected(tmp_path, "a", ".flac")
    byte = path.read_bytes()[21]
    patched(path, 21, bytes([byte & 0xF0, 0, 0, 0, 0]))
    assert soundfile.info(path).frames > 2**60
    assert run(tmp_path) == (0, {"a": pytest.approx(values)})
    assert {level for level, _ in said_by_okd(caplog)} <= {"INFO"}


@pytest.mark.parametrize("rate", [1, 999_983, 2**31 - 1])
def test_an_impossible_rate_costs_its_file_only(tmp_path, rate, caplog):
    pair(tmp_path, "good", 1)
    path = pair(tmp_path, "bad")
    for kind in ("clean", "enhanced"):
        bad = tmp_path / kind / "bad.wav"
        patched(bad, 24, int(rate).to_bytes(4, "little"))
    code, scores = score(tmp_path)
    assert code == 1 and np.isnan(scores["bad"]["si_sdr"])
    assert scores["good"] == pytest.approx(expected(tmp_path, "good"))
    said = f"has a sample rate of {rate} Hz, must be 1000 to 768000 Hz"
    assert said in caplog.text and str(path.name) in caplog.text


def test_evaluate_refuses_an_impossible_rate_at_once(tmp_path, capsys):
    path = pair(tmp_path, "bad")
    patched(path, 24, (2**31 - 1).to_bytes(4, "little"))
    assert compare(tmp_path) == (2, None)
    [said] = capsys.readouterr().err.splitlines()
    assert f"{path}: has a sample rate of 2147483647 Hz" in said


@BOTH
def test_a_file_that_does_not_fit_into_memory_costs_itself_only(
    tmp_path, run, caplog, monkeypatch
):
    from okd_brain.evaluation import files

    pair(tmp_path, "good", 1)
    path = pair(tmp_path, "huge")
    read_audio = files.read_audio

    def limited(source):
        if source == path:
            raise MemoryError
        return read_audio(source)

    monkeypatch.setattr(files, "read_audio", limited)
    code, scores = run(tmp_path)
    assert code == 1 and np.isnan(scores["huge"]["si_sdr"])
    assert scores["good"] == pytest.approx(expected(tmp_path, "good"))
    assert f"{path}: needs more memory than there is" in caplog.text


@BOTH
def test_an_empty_file_is_a_failure_with_its_reason(tmp_path, run, caplog):
    for kind in ("clean", "enhanced"):
        store(tmp_path / kind / "a.wav", np.zeros(0), 48000)
    code, scores = run(tmp_path)
    assert code == 1 and np.isnan(scores["a"]["si_sdr"])
    assert "the reference has 0.0000 s" in caplog.text


def test_files_that_cannot_be_read_do_not_disappear(tmp_path, caplog):
    pair(tmp_path, "good", 1)
    for kind in ("clean", "enhanced"):
        (tmp_path / kind / "song.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    code, scores = score(tmp_path)
    assert (code, list(scores)) == (1, ["good", "song"])
    assert "ffmpeg -i song.m4a out.wav" in caplog.text


# --- outputs -----------------------------------------------------------------


@pytest.mark.parametrize(
    "output, reason",
    [
        ("file/s.csv", "file is a file"),
        ("folder.csv", "it is a folder"),
        ("s.txt", "must end in .csv or .json"),
    ],
)
def test_outputs_are_checked_before_the_work(
    tmp_path, capsys, monkeypatch, output, reason
):
    pair(tmp_path, "a")
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    monkeypatch.setattr("okd_brain.evaluation.files.score_files", None)
    code, _ = score(tmp_path, "-o", str(tmp_path / output))
    assert code == 2
    [said] = capsys.readouterr().err.splitlines()
    assert said.startswith("error: ") and reason in said
    assert str(tmp_path / output) in said


def test_evaluate_checks_its_outputs_before_the_work(
    tmp_path, capsys, monkeypatch
):
    pair(tmp_path, "a")
    (tmp_path / "table").touch()
    monkeypatch.setattr("okd_brain.evaluation.files.score_files", None)
    assert compare(tmp_path) == (2, None)
    assert f"{tmp_path}/table is a file" in capsys.readouterr().err


@BOTH
def test_a_full_disk_does_not_take_the_table(
    tmp_path, run, capsys, monkeypatch
):
    def full(path, rows):
        raise OSError(28, "No space left on device", str(path))

    pair(tmp_path, "a")
    monkeypatch.setattr("okd_brain.results.tables.write_csv", full)
    assert run(tmp_path) == (2, None)
    found = capsys.readouterr()
    assert "si_sdr" in found.out
    [said] = found.err.splitlines()
    assert "No space left on device" in said and ".csv" in said


# --- without clean speech ----------------------------------------------------


def test_metrics_without_a_reference_need_no_clean_speech(
    tmp_path, capsys, monkeypatch
):
    speechmos = stand_in_for_speechmos(monkeypatch)
    paths = [pair(tmp_path, "a"), pair(tmp_path, "b", 1)]
    output = tmp_path / "s.json"
    options = ["--metrics", "dnsmos_ovrl", "-o", str(output), "--n_jobs", "1"]
    enhanced = str(tmp_path / "enhanced")
    assert okd_score([enhanced, *options]) == 0
    found = json.loads(output.read_text())["utterances"]
    assert found == {"a": {"dnsmos_ovrl": 2.5}, "b": {"dnsmos_ovrl": 2.5}}
    assert "dnsmos_ovrl    2.500" in capsys.readouterr().out
    for path, (heard, rate) in zip(paths, speechmos.calls, strict=True):
        np.testing.assert_allclose(heard, soundfile.read(path)[0], atol=1e-6)
        assert rate == RATE


def test_other_metrics_say_that_they_need_clean_speech(tmp_path, capsys):
    pair(tmp_path, "a")
    assert okd_score([str(tmp_path / "enhanced")]) == 2
    [said] = capsys.readouterr().err.splitlines()
    assert "pesq, csig, cbak, covl, stoi, si_sdr need clean speech" in said
    assert "okd-score CLEAN ENHANCED" in said and "dnsmos_ovrl" in said


def test_options_may_stand_anywhere(tmp_path):
    pair(tmp_path, "a")
    clean, enhanced = (str(tmp_path / kind) for kind in ("clean", "enhanced"))
    rest = ["--metrics", "segsnr"]
    assert okd_score(["--n_jobs", "1", clean, enhanced, *rest]) == 0
    assert okd_score([clean, "--n_jobs", "1", enhanced, *rest]) == 0


# --- commands ----------------------------------------------------------------


def test_a_missing_package_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("okd_brain.measures.optional.find_spec", lambda _: None)
    arguments = [str(tmp_path), str(tmp_path), "--metrics", "dnsmos_ovrl"]
    assert okd_score(arguments) == 2
    [said] = capsys.readouterr().err.splitlines()
    assert "pip install 'okd[dnsmos]'" in said


def test_ctrl_c_has_its_code(tmp_path, capsys, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    pair(tmp_path, "a")
    clean, enhanced = (str(tmp_path / kind) for kind in ("clean", "enhanced"))
    monkeypatch.setattr("okd_brain.evaluation.files.score_files", interrupted)
    assert okd_score([clean, enhanced]) == 130
    assert "Interrupted. Nothing was written." in capsys.readouterr().err
    folders = ["--clean", clean, "--noisy", enhanced, "--device", "cpu"]
    assert evaluate([f"{clean}=x", *folders]) == 130
    assert "Interrupted. Nothing was written." in capsys.readouterr().err


@pytest.mark.parametrize("module", ["evaluation", "evaluation.score"])
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_neither_torch_nor_scipys_filters(module, option):
    """Both take seconds."""
    script = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        f"import importlib; m = importlib.import_module('okd_brain.{module}')\n"
        f"try: m.main(['{option}'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'speechbrain', 'scipy.signal'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_time_limit_is_an_option(tmp_path, capsys):
    pair(tmp_path, "a")
    code, _ = score(tmp_path, "--timeout_seconds", "0")
    assert code == 2
    assert "timeout_seconds must be a positive" in capsys.readouterr().err
    assert score(tmp_path, "--timeout_seconds", "600")[0] == 0


def test_scores_of_such_names_are_csv_for_others(tmp_path):
    """The bytes of the name are those on the disk."""
    pair(tmp_path, LATIN_1)
    score(tmp_path)
    with open(tmp_path / "out" / "scores.csv", encoding="latin-1") as file:
        [row] = csv.DictReader(file)
    assert row["utterance"] == "café"
