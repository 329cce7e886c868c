"""What training costs, and how fast it reaches its aim, in CPU seconds.

    python benchmarks/training.py cost
    python benchmarks/training.py time-to-quality --start RUN --seeds 1 2 3

`cost` trains on the bundled mini corpus and prints process CPU seconds (of a GPU,
seconds) by phase and by what is done in it, peak memory, and what grows. The paper's schedule
stands beside a plain loop of the published method: the same networks, updates,
utterances and scorer, one file at a time as in the authors' code. Their epochs
take turns, so that a busy machine slows both alike.

`time-to-quality` starts from the generators of a `train.py` run that trained
without metrics (`number_of_epochs: 0`) and prints after how many CPU seconds
each exceeds its start on its own metric, in validation. What follows `--` goes
to `train.py`, such as `--data_folder`.

Both want one thread: OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1. benchmarks/README.md
has tables, commands and machine.
"""

import argparse
import functools
import gc
import itertools
import json
import logging
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock

import soundfile
import torch

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipes" / "VoiceBank" / "okd"
sys.path[:0] = [str(ROOT), str(RECIPE)]

import train  # noqa: E402

from okd_brain.corpora import build_mini_corpus  # noqa: E402
from okd_brain.discriminators import Discriminator  # noqa: E402
from okd_brain.generators import BLSTMGenerator  # noqa: E402
from okd_brain.metrics import parse_targets  # noqa: E402
from okd_brain.scoring import Scorer  # noqa: E402
from okd_brain.scoring.board import means  # noqa: E402
from okd_brain.signals import SpectralAnalysis  # noqa: E402
from okd_brain.training import ExcerptReader, Replay  # noqa: E402
from okd_brain.training.phases import Excerpt  # noqa: E402
from okd_brain.training.replay import Record  # noqa: E402

BASE = RECIPE / "hparams" / "okd_pesq_csig.yaml"
SCHEDULES = RECIPE / "hparams" / "schedules"
TARGETS = "[[pesq],[csig]]"
GENERATORS = {  # for the growth with K
    1: "[[pesq]]",
    2: TARGETS,
    4: "[[pesq],[csig],[cbak],[covl]]",
}
FAST_SAMPLES = {"twin": 48, "residual": 8}  # a step of D is a long one
PAPER_STEPS = {  # 100 utterances in each of 750 epochs
    "generator": 749 * 100,
    "making": 750 * 100,
    "current": 750 * 100 * 6,
    "replay": 750 * 100 + 20 * 750 * 749 // 2,
}
UNMEASURED = ("start", "validation", "aside")
GAINS = (0.05, 0.1, 0.2, 0.3)
PHASES = {  # as `Meter` has them, to how the tables call them
    "warmup": "warm-up",
    "generator": "generators",
    "making": "current set",
    "current": "D, current",
    "replay": "D, replay",
    "end": "end of epoch",
}


def clock_of(device):
    """Return the clock that suits a device: CPU seconds, or true ones."""
    if torch.device(device).type == "cpu":
        return time.process_time

    def clock():
        torch.cuda.synchronize()
        return time.perf_counter()

    return clock


class Meter:
    """Seconds by phase and part; each second counts once."""

    def __init__(self, device="cpu"):
        self._clock = clock_of(device)
        self.seconds = Counter()  # (phase, part)
        self.steps = Counter()  # of a phase
        self.phase = "start"
        self._parts = ["updates"]
        self._since = self._clock()

    def _charge(self):
        now = self._clock()
        self.seconds[self.phase, self._parts[-1]] += now - self._since
        self._since = now

    def enter(self, phase):
        """Begin a phase and return the one before."""
        self._charge()
        before, self.phase = self.phase, phase
        return before

    @contextmanager
    def part(self, name):
        """Count what happens meanwhile as a part of the phase."""
        self._charge()
        self._parts.append(name)
        yield
        self._charge()
        self._parts.pop()

    @contextmanager
    def during(self, phase):
        """Count what happens meanwhile as another phase."""
        before = self.enter(phase)
        yield
        self.enter(before)

    def of(self, phase):
        """Return the seconds of a phase."""
        return sum(s for (own, _), s in self.seconds.items() if own == phase)

    @property
    def total(self):
        """Return the seconds of all phases that count."""
        phases = {phase for phase, _ in self.seconds} - {*UNMEASURED}
        return sum(map(self.of, phases))

    def wrap(self, owner, method, context):
        """Return a patch under which a method runs in a context."""
        function = getattr(owner, method)

        @functools.wraps(function)
        def measured(*arguments, **options):
            with context():
                return function(*arguments, **options)

        return mock.patch.object(owner, method, measured)


@contextmanager
def measured(brain, meter, after_epoch):
    """Measure a brain's training; ``after_epoch(epoch, scores)`` is aside."""

    def part(owner, method, name):
        return meter.wrap(owner, method, functools.partial(meter.part, name))

    def items(phase, epoch, original=brain.items):
        meter.enter(phase.name)
        return original(phase, epoch)

    def current_set(epoch, original=brain.current_set):
        if brain.replay.current:
            return original(epoch)
        with meter.during("making"):
            records = original(epoch)
        meter.steps["making"] += len(records)
        return records

    def fit_batch(batch, original=brain.fit_batch):
        meter.steps[meter.phase] += len(brain.task.sources) ** (
            meter.phase == "current"
        )
        return original(batch)

    def end_epoch(epoch, scores, original=brain.end_epoch):
        with meter.during("end"):
            original(epoch, scores)
        with meter.during("aside"):
            after_epoch(epoch, scores)
        meter.enter("start")

    during = functools.partial(meter.during, "validation")
    with ExitStack() as stack:
        for function in (items, current_set, fit_batch, end_epoch):
            stack.enter_context(
                mock.patch.object(brain, function.__name__, function)
            )
        for patch in (
            meter.wrap(brain, "_fit_valid", during),
            part(ExcerptReader, "__call__", "reading"),
            part(Replay, "write", "writing"),
            part(type(brain.task), "inputs", "STFT"),
            part(type(brain.task), "judged", "STFT"),
            part(type(brain.surrogates), "forward", "twins, forward"),
            *(
                part(Scorer, method, "scoring")
                for method in ("score", "submit", "result")
            ),
        ):
            stack.enter_context(patch)
        yield


class PlainLoop:
    """MetricGAN-OKD as a script: the published updates, file by file.

    Discriminator and generators are this package's. As in the authors' code,
    the generators' outputs are made twice, once as what the others mimic; D is
    not frozen while they learn; every file is read where it is needed; the
    enhanced ones lie in 16 bit on the disk. Only the metrics come from `Scorer`,
    which is many times as fast as theirs (benchmarks/scoring.py): the comparison
    is of the training alone.
    """

    ALPHA, LEARNING_RATE, MAX_NORM, PORTION = 5.0, 0.0005, 5.0, 0.2

    def __init__(self, targets, dataset, folder, device="cpu"):
        self.targets = parse_targets(targets)
        self.device = device
        self.dataset = dataset
        self.folder = Path(folder)
        self.meter = Meter(device)
        self.stft = SpectralAnalysis()
        self.generators = [BLSTMGenerator().to(device) for _ in self.targets]
        self.discriminator = Discriminator(heads=len(self.targets)).to(device)
        self.optimizers = {
            network: torch.optim.Adam(network.parameters(), self.LEARNING_RATE)
            for network in (*self.generators, self.discriminator)
        }
        self.scorer = Scorer([t.metrics[0] for t in self.targets], n_jobs=1)
        self.noisy_labels = {}
        self.history = []

    def epoch(self, number, utterances):
        """Train an epoch on some utterances (ids)."""
        if number > 1:
            self.meter.enter("generator")
            for noisy, clean in self._load([(name,) for name in utterances]):
                self._generator_step(noisy, clean)
        self.meter.enter("making")
        current = self._current_set(number, utterances)
        self.meter.enter("current")
        self._pass(current, all_sources=True)
        self.meter.enter("replay")
        count = int(self.PORTION * len(self.history))
        self._pass(random.sample(self.history, count) + current)
        self.meter.enter("current")
        self._pass(current, all_sources=True)
        self.history += current
        self.meter.enter("start")

    def _load(self, items):
        """Yield noisy, clean and, where there is one, enhanced waves."""

        def read(item):
            entry = self.dataset.data[item[0]]
            paths = [entry["noisy_wav"], entry["clean_wav"], *item[1:]]
            return [
                torch.from_numpy(soundfile.read(path, dtype="float32")[0])
                for path in paths
            ]

        for waves in torch.utils.data.DataLoader(
            Files(items, read), batch_size=1, shuffle=True
        ):
            yield [wave.to(self.device) for wave in waves]

    def _step(self, network, loss):
        optimizer = self.optimizers[network]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), self.MAX_NORM)
        optimizer.step()
        self.meter.steps[self.meter.phase] += 1

    def _judge(self, clean, degraded):
        frames = torch.tensor([clean.shape[1]], device=self.device)
        return self.discriminator(
            torch.stack([clean, degraded], dim=1), frames
        )[0]

    def _generator_step(self, noisy, clean):
        noisy, clean = map(self.stft.log_magnitude, (noisy, clean))
        with torch.no_grad():
            peers = [generator(noisy) * noisy for generator in self.generators]
        for k, generator in enumerate(self.generators):
            output = generator(noisy) * noisy
            loss = (self._judge(clean, output)[k] - 1) ** 2
            for j, peer in enumerate(peers):
                if j != k:
                    loss = loss + self.ALPHA * ((output - peer) ** 2).mean()
            self._step(generator, loss)
        # A step of this package is one of all generators.
        self.meter.steps["generator"] -= len(peers) - 1

    @torch.no_grad()
    def _current_set(self, number, utterances):
        generator = random.choice(self.generators).eval()
        current = []
        for place, name in enumerate(utterances):
            ((noisy, clean),) = self._load([(name,)])
            spectrum = self.stft.log_magnitude(noisy)
            counts = torch.tensor([noisy.shape[1]])
            wave = self.stft.resynthesise(
                generator(spectrum) * spectrum, noisy, counts
            )
            path = self.folder / f"{number}_{place}.wav"
            samples = wave[0].cpu().numpy()
            soundfile.write(path, samples, 16000, subtype="PCM_16")
            if name not in self.noisy_labels:
                self.noisy_labels[name] = self._labels(clean, noisy)
            labels = self._labels(clean, wave)
            current.append((name, path, labels))
            self.meter.steps["making"] += 1
        generator.train()
        return current

    def _labels(self, clean, degraded):
        pair = tuple(wave[0].cpu().numpy() for wave in (clean, degraded))
        (raw,) = self.scorer.score([pair])
        return torch.tensor(
            [
                target.metrics[0].normalise(score)
                for target, score in zip(self.targets, raw, strict=True)
            ],
            dtype=torch.float32,
            device=self.device,
        )

    def _pass(self, records, all_sources=False):
        records = random.sample(records, len(records))
        for name, path, labels in records:
            ((noisy, clean, enhanced),) = self._load([(name, path)])
            clean = self.stft.log_magnitude(clean)
            sources = [(enhanced, labels)]
            if all_sources:
                sources += [(noisy, self.noisy_labels[name]), (None, 1.0)]
            for wave, aim in sources:
                judged = clean
                if wave is not None:
                    judged = self.stft.log_magnitude(wave)
                errors = (self._judge(clean, judged) - aim) ** 2
                self._step(self.discriminator, errors.mean())


class Files(torch.utils.data.Dataset):
    """Files that are read when they are asked for."""

    def __init__(self, items, read):
        self.items, self.read = items, read

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.read(self.items[index])


class Laboratory:
    """Build runs of ``train.py`` on the mini corpus in a temporary folder."""

    def __init__(self, folder, device="cpu"):
        self.folder = Path(folder)
        self.device = device
        self.numbers = itertools.count()
        self.corpus = build_mini_corpus(self.folder / "corpus")

    def build(self, **options):
        """Return a brain and its datasets; options are those of the YAML."""
        options = {
            "output_folder": self.folder / f"run_{next(self.numbers)}",
            "data_folder": self.corpus.data_folder,
            "valid_speakers": f"[{', '.join(self.corpus.valid_speakers)}]",
            "score_cache": self.folder / "scores",
            "device": self.device,
            **options,
        }
        return build(options)


def build(options, more=()):
    """Build a run of ``train.py``; every process is this one."""
    options = {"n_jobs": 1, "device": "cpu", "targets": TARGETS, **options}
    pairs = [str(t) for pair in options.items() for t in pair]
    pairs[::2] = [f"--{key}" for key in pairs[::2]]
    argv = [str(BASE), *pairs, "--noprogressbar", *more]
    brain, datasets, _ = train.build(argv)
    return brain, datasets


def fit(
    brain, datasets, meter, after_epoch=lambda epoch, scores: None, valid=None
):
    """Train; return the most memory held meanwhile, in MB."""
    gc.collect()
    reset_peak_memory()
    with measured(brain, meter, after_epoch):
        brain.fit(
            brain.hparams.epoch_counter,
            datasets["train"],
            valid,
            train_loader_kwargs=brain.hparams.train_dataloader_opts,
            valid_loader_kwargs=brain.hparams.valid_dataloader_opts,
        )
    return peak_memory_mb()


def reset_peak_memory():
    """Let Linux count the process's peak memory anew."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def peak_memory_mb():
    """Return the peak of resident memory; NaN where Linux does not tell."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return float("nan")


def row(*cells):
    """Print a line of a Markdown table."""
    cells = [f"{c:.3g}" if isinstance(c, float) else str(c) for c in cells]
    print("| " + " | ".join(cells) + " |", flush=True)


def header(title, *cells):
    """Print the head of a Markdown table."""
    print(f"\n### {title}\n")
    row(*cells)
    row(*["---"] * len(cells))


def print_parts(title, meter, memory):
    """Print phases, seconds per step, and what the seconds are spent on."""
    parts = [
        *["reading", "STFT", "twins, forward", "scoring", "writing"],
        "updates",
    ]
    header(title, "phase", "steps", "CPU s", "ms per step", *parts)
    for phase, name in PHASES.items():
        seconds, steps = meter.of(phase), meter.steps[phase]
        if not seconds:
            continue
        shares = [
            f"{meter.seconds[phase, part] / seconds:.1%}" for part in parts
        ]
        each = 1000 * seconds / steps if steps else ""
        row(name, steps or "", seconds, each, *shares)
    print(f"\n{meter.total:.1f} s in all; peak memory {memory:.0f} MB")


def print_paper(laboratory, arguments):
    """Measure the paper's schedule beside the plain loop."""
    meters = {}
    for precision in arguments.precisions:
        brain, datasets = laboratory.build(
            number_of_epochs=arguments.epochs,
            number_of_samples=arguments.utterances,
            precision=precision,
        )
        folder = Path(brain.hparams.output_folder) / "plain"
        folder.mkdir()
        plain = PlainLoop(
            [["pesq"], ["csig"]], datasets["train"], folder, arguments.device
        )

        def after_epoch(epoch, scores, brain=brain, plain=plain):
            if "plain" not in meters:
                excerpts = brain.curriculum.draw(brain.train_lengths, epoch)
                plain.epoch(epoch, [e.utterance for e in excerpts])

        meter = Meter(arguments.device)
        memory = fit(brain, datasets, meter, after_epoch)
        meters.setdefault("plain", plain.meter)
        meters[precision] = meter
        print_parts(f"The paper's schedule, {precision}", meter, memory)
    print_ratios(meters)


def print_ratios(meters):
    """Print the plain loop's seconds beside those of each precision."""
    plain = meters.pop("plain")
    ratios = [f"plain : {precision}" for precision in meters]
    header(
        *["Against a plain loop, s", "phase", "plain loop"],
        *[*meters, *ratios],
    )
    for phase in PHASES:
        seconds = [meter.of(phase) for meter in meters.values()]
        if phase != "end" and any(seconds):
            own = plain.of(phase)
            row(PHASES[phase], own, *seconds, *(own / s for s in seconds))
    seconds = [meter.total for meter in meters.values()]
    row("all", plain.total, *seconds, *(plain.total / s for s in seconds))
    hours = [projected_hours(meter) for meter in (plain, *meters.values())]
    row("750 epochs, h", *hours, *(hours[0] / own for own in hours[1:]))


def projected_hours(meter):
    """Return what all steps of the paper's schedule would take, without tests."""
    seconds = [
        meter.of(phase) / max(1, meter.steps[phase]) * steps
        for phase, steps in PAPER_STEPS.items()
    ]
    return sum(seconds) / 3600


def print_fast(laboratory, arguments):
    """Measure warm-up, twins and residual in ``schedules/fast.yaml``."""
    for precision, (surrogate, samples) in itertools.product(
        arguments.precisions, FAST_SAMPLES.items()
    ):
        brain, datasets = laboratory.build(
            schedule=SCHEDULES / "fast.yaml",
            surrogate=surrogate,
            precision=precision,
            warmup_epochs=1,
            number_of_epochs=1,
            number_of_samples=samples,
        )
        meter = Meter(arguments.device)
        memory = fit(brain, datasets, meter)
        print_parts(f"fast, {surrogate}, {precision}", meter, memory)


def print_generators(laboratory, arguments):
    """Measure what each further generator adds."""
    header(
        *["K generators (two epochs, paper)", "K"],
        *["generators, ms", "D, ms", "current set, ms an utterance"],
        "peak MB",
    )
    for count, targets in GENERATORS.items():
        print_growth_row(
            laboratory, arguments, count, targets=targets, number_of_epochs=2
        )


def print_lengths(laboratory, arguments):
    """Measure what length adds."""
    header(
        *["Length (two epochs, paper)", "at most s"],
        *["generators, ms", "D, ms", "current set, ms an utterance"],
        "peak MB",
    )
    for seconds in (1.0, 2.0, 4.0):
        print_growth_row(
            laboratory,
            arguments,
            seconds,
            max_train_seconds=seconds,
            number_of_epochs=2,
        )


def print_epochs(laboratory, arguments):
    """Measure what a full replay adds to an epoch besides its updates."""
    header(
        *["Epochs done (paper: 100 records each)", "epochs", "records"],
        *["end of an epoch, s", "drawing replay, s", "checkpoint, MB"],
    )
    brain, _ = laboratory.build(number_of_epochs=750)
    for epochs in (0, 100, 750):
        print_epochs_row(brain, epochs)


def print_growth_row(laboratory, arguments, name, **options):
    """Print milliseconds per step of a short run."""
    brain, datasets = laboratory.build(
        number_of_samples=max(2, arguments.utterances // 2), **options
    )
    meter = Meter(arguments.device)
    memory = fit(brain, datasets, meter)
    judging = meter.of("current") + meter.of("replay")
    steps = meter.steps["current"] + meter.steps["replay"]
    row(
        name,
        1000 * meter.of("generator") / meter.steps["generator"],
        1000 * judging / steps,
        1000 * meter.of("making") / meter.steps["making"],
        memory,
    )


def print_epochs_row(brain, epochs):
    """Print what so many epochs of records cost."""
    scores = {"pesq": 2.123456789012345, "csig": 3.123456789012345}
    brain.replay.past = [
        Record(
            Excerpt(f"p226_{number:03d}", 0, 48000),
            *[epoch, "pesq", f"{epoch:05d}/p226_{number:03d}.wav"],
            *[scores, scores],
        )
        for epoch in range(epochs)
        for number in range(100)
    ]
    begin = time.process_time()
    checkpoint = brain.checkpointer.save_checkpoint()
    brain.replay.add_current()
    saved = time.process_time()
    brain.replay.sample(0.2, random.Random(1))
    drawn = time.process_time()
    size = checkpoint.paramfiles["replay"].stat().st_size / 1e6
    row(epochs, len(brain.replay.past), saved - begin, drawn - saved, size)


def print_cost(arguments):
    """Print the tables of `cost`."""
    printers = {
        "paper": print_paper,
        "fast": print_fast,
        "generators": print_generators,
        "lengths": print_lengths,
        "epochs": print_epochs,
    }
    with tempfile.TemporaryDirectory() as folder:
        laboratory = Laboratory(folder, arguments.device)
        for name in arguments.tables:
            printers[name](laboratory, arguments)


def print_time_to_quality(arguments):
    """Print when each generator exceeds its start, by surrogate and seed."""
    start = Path(arguments.start)
    results = json.loads((start / "results_valid.json").read_text())
    exports = sorted(p for p in (start / "export").iterdir() if p.is_dir())
    sources = {p.name: str(p) for p in exports if p.name != "discriminator"}
    if len(sources) == 1:
        sources = {"generators": next(iter(sources.values()))}
    header(
        *["Time to quality, CPU s", "surrogate", "seed", "generator", "start"],
        *[f"+{gain}" for gain in GAINS],
        *["best", "after s", "SI-SDR, dB", "s in all"],
    )
    for surrogate, seed in itertools.product(
        arguments.surrogates, arguments.seeds
    ):
        with tempfile.TemporaryDirectory() as folder:
            options = {
                "schedule": SCHEDULES / "fast.yaml",
                "output_folder": folder,
                "pretrained": json.dumps(sources),
                "surrogate": surrogate,
                "seed": seed,
                "warmup_epochs": 0,
                "discriminator_epochs": arguments.discriminator_epochs,
                "number_of_epochs": 1_000,
                "number_of_samples": arguments.utterances,
                "valid_interval": 1,
                "report_metrics": "[si_sdr]",
            }
            brain, datasets = build(options, arguments.options)
            print_climb(brain, datasets, results["systems"], arguments)


def print_climb(brain, datasets, start, arguments):
    """Train for the minutes given; print a row per generator."""
    meter, history = Meter(), []

    def after_epoch(epoch, scores):
        if scores:
            averages = {name: means(scores[name]) for name in scores}
            history.append((meter.total, averages))
        if meter.total > 60 * arguments.minutes:
            brain.hparams.epoch_counter.limit = epoch

    fit(brain, datasets, meter, after_epoch, datasets["valid"])
    for target in brain.targets:
        name = target.name
        system = start[name if name in start else next(reversed(start))]
        before, _ = target.selection_value(system)
        climb = [
            (target.selection_value(scores[name])[0] - before, seconds, scores)
            for seconds, scores in history
        ]
        reached = [
            next((f"{s:.0f}" for g, s, _ in climb if g >= gain), "")
            for gain in GAINS
        ]
        best, seconds, scores = max(climb, key=lambda moment: moment[0])
        si_sdr = scores[name]["si_sdr"] - system["si_sdr"]
        row(
            *[brain.surrogates.kinds[target.terms[0].name]],
            *[brain.hparams.seed, name, f"{before:.3f}", *reached],
            *[f"{best:+.3f}", f"{seconds:.0f}", f"{si_sdr:+.1f}"],
            f"{meter.total:.0f}",
        )


def read_arguments(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    modes = parser.add_subparsers(required=True)
    cost = modes.add_parser("cost")
    cost.set_defaults(run=print_cost)
    tables = ("paper", "fast", "generators", "lengths", "epochs")
    cost.add_argument("--tables", nargs="+", default=tables, choices=tables)
    cost.add_argument("--device", default="cpu", help="cpu, cuda")
    cost.add_argument("--utterances", type=int, default=6, help="per epoch")
    cost.add_argument("--epochs", type=int, default=3, help="of the paper's")
    cost.add_argument(
        "--precisions", nargs="+", default=["fp32", "bf16"], metavar="NAME"
    )
    quality = modes.add_parser("time-to-quality")
    quality.set_defaults(run=print_time_to_quality)
    quality.add_argument("--start", required=True, metavar="RUN")
    quality.add_argument("--seeds", nargs="+", type=int, default=[1])
    kinds = ("twin", "residual", "discriminator")
    quality.add_argument(
        "--surrogates", nargs="+", default=kinds, choices=kinds
    )
    quality.add_argument("--minutes", type=float, default=3.0)
    quality.add_argument("--utterances", type=int, default=48, help="per epoch")
    quality.add_argument("--discriminator_epochs", type=int, default=2)
    quality.add_argument("options", nargs="*", help="of train.py, after --")
    return parser.parse_args(argv)


def main(argv=None):
    """Measure and print."""
    arguments = read_arguments(argv)
    torch.set_num_threads(1)
    logging.disable(logging.INFO)
    try:
        arguments.run(arguments)
    finally:
        logging.disable(logging.NOTSET)


if __name__ == "__main__":
    main()
