"""Tiny runs of the recipes, each in a forked process: whole, killed, or resumed.

``Runs`` starts a process that has imported everything and waits; it forks one that
trains whenever it is asked. What it writes goes over the disk of ``disk.c``.
"""

import contextlib
import hashlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import disk
from disk import WATCH, Disk
from experiments import (
    BASE,
    LE_BASE,
    LE_RECIPE,
    RECIPE,
    TESTS,
    train_script,
    write_speech_and_noise,
)
from small_runs import write_corpus

LONG = 1000 if os.environ.get("OKD_TORTURE") else 40  # epochs
COMMON = {
    "n_jobs": 1,
    "number_of_epochs": 3,
    "number_of_samples": 1,
    "valid_interval": 1,
    "max_history": 2,
    "report_metrics": "[]",
    "device": "cpu",
    "ckpt_interval_minutes": 0,
    "ckpt_interval_steps": 4,
}
SE = {"valid_speakers": "[001]", "targets": "[[si_sdr],[segsnr]]"}
LE = {
    "targets": "[[estoi],[stoi]]",
    "discriminator": "separate",
    "valid_talkers": "[c]",
    "test_talkers": "[d]",
    "train_noises": "[hiss]",
    "test_noises": "[wind]",
    "train_snrs_db": "[-3]",
    "test_snrs_db": "[-1]",
    "max_valid_mixtures": 1,
    "number_of_epochs": 1,
    "warmup_epochs": 1,
    "discriminator_epochs": 1,
    "average_decay": 0.9,
}


@dataclass(frozen=True)
class Kind:
    """A run.

    Attributes
    ----------
    task : str
        "se" or "le".
    options : dict
        Of its command line.
    processes : int
        That train together.
    """

    task: str
    options: dict
    processes: int = 1


# A command line finds that out by itself where torchrun has set its variables.
GLOO = {"distributed_backend": "gloo"}
KINDS = {
    "SE": Kind("se", SE),
    "LE": Kind("le", LE),
    "SE, 2 processes": Kind("se", {**SE, **GLOO, "number_of_samples": 2}, 2),
    "LE, 2 processes": Kind("le", {**LE, **GLOO}, 2),
    "SE, workers": Kind(
        "se", {**SE, "n_jobs": 2, "num_workers": 1, "number_of_epochs": 2}
    ),
    "SE, long": Kind(
        "se",
        {
            **SE,
            "number_of_epochs": LONG,
            "valid_interval": 5,
            "ckpt_interval_steps": 0,
            "generator": "!name:small_networks.DroppingGenerator",
            "discriminator_network": "!name:small_networks.NormedDiscriminator",
        },
    ),
}


# In the process that waits ----------------------------------------------------


def shrink():
    """Make the networks that can be exported tiny, and parsing YAML cheap."""
    import functools

    import hyperpyyaml.core
    import speechbrain.utils.logger
    import torch._dynamo  # noqa: F401  imported by the first optimizer
    from speechbrain.lobes.models.MetricGAN import EnhancementGenerator

    import okd_brain.brain  # noqa: F401
    from okd_brain import config, discriminators, generators

    class BLSTMGenerator(generators.BLSTMGenerator):
        def __init__(self, dropout=0.1):
            EnhancementGenerator.__init__(self, hidden_size=4, dropout=dropout)
            self.linear1 = torch.nn.Linear(8, 8)
            self.linear2 = torch.nn.Linear(8, 257)

    class BandGainGenerator(generators.BandGainGenerator):
        CHANNELS = (4, 4, 4, 4, 4, generators.N_BANDS)

    for small in (BLSTMGenerator, BandGainGenerator):
        whole = getattr(generators, small.__name__)
        for module in list(sys.modules.values()):
            if vars(module).get(small.__name__) is whole:
                setattr(module, small.__name__, small)
        for prefix, kind in generators.GENERATORS.items():
            if kind is whole:
                generators.GENERATORS[prefix] = small
    discriminators.CHANNELS = (2, 2, 2, 2)
    # Half a second of `pip freeze` and `git`.
    speechbrain.utils.logger.get_environment_description = lambda: ""

    resolve = hyperpyyaml.core.resolve_references

    @functools.cache
    def resolved_text(text, overrides):
        return resolve(text, json.loads(overrides)).getvalue()

    def resolve_once(stream, overrides=None, *arguments, **options):
        text = stream if isinstance(stream, str) else stream.read()
        return io.StringIO(resolved_text(text, json.dumps(overrides)))

    hyperpyyaml.core.resolve_references = resolve_once
    hyperpyyaml.resolve_references = resolve_once
    config.Experiment.resolved = _remembering(config.Experiment.resolved)
    config.Experiment.options = _remembering(config.Experiment.options)


def _remembering(method):
    known = {}

    def remembered(self, *arguments):
        key = (self.yaml, *arguments)
        if key not in known:
            known[key] = method(self, *arguments)
        return known[key].copy()

    return remembered


def command_line(kind, folder):
    """Return the command line of a run."""
    options = {**COMMON, **kind.options, "output_folder": folder / "out"}
    corpus = folder.parent / f"corpus_{kind.task}"
    options["data_folder"] = corpus
    base = BASE
    if kind.task == "le":
        options["data_folder"] = corpus / "speech"
        options["noise_folder"] = corpus / "noise"
        base = LE_BASE
    pairs = [str(part) for k, v in options.items() for part in (f"--{k}", v)]
    return [str(base), *pairs, "--noprogressbar"]


def remember(train, argv):
    """Parse a command line here, so that what is forked need not."""
    from hyperpyyaml import resolve_references

    experiment = train.read_experiment(argv)
    for overrides in (None, {}, {"checkpointer": None}):
        resolve_references(experiment.yaml, overrides)
    experiment.resolved("seed")
    train.read_experiment = lambda *_: experiment


def train_here(train, argv, request, rank, disk):
    """Train in this process, which was forked for it, and end it."""
    from okd_brain import cli

    code = 70
    try:
        text = os.open(request["text"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number in (1, 2):
            os.dup2(text, number)
        if request["environment"]:
            os.environ.update(request["environment"])
            os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank))
        what = request["what"] if rank == request["rank"] else WATCH
        log = -1
        if request["log"] and rank == request["rank"]:
            log = os.open(
                request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND
            )
        if request["measure"]:
            measure(Path(request["measure"]), argv)
        disk.arm(request["folder"], what, request["at"], request["error"], log)
        if request["cpu_seconds"] and rank == request["rank"]:
            disk.die_after(request["cpu_seconds"])
        code = cli.run(train.main, argv, after_interrupt="Again.")
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def measure(path, argv):
    """Note what this process has at the end of every epoch, and end at the last."""
    from okd_brain.brain import OKDBrain

    output = Path(argv[argv.index("--output_folder") + 1])
    last = int(argv[argv.index("--number_of_epochs") + 1])
    end_epoch = OKDBrain.end_epoch
    page = os.sysconf("SC_PAGE_SIZE")

    def measured(self, epoch, scores):
        end_epoch(self, epoch, scores)
        me = Path("/proc/self")
        files = [p for p in output.rglob("*") if p.is_file()]
        logs = [
            p
            for p in files
            if p.name in ("log.txt", "train_log.txt", "train_log.csv")
        ]
        # Between one and three are kept: the newest, and the best.
        files = [p for p in files if not p.parent.name.startswith("CKPT+")]
        tasks = me.glob("task/*/children")
        row = {
            "epoch": epoch,
            "memory": int((me / "statm").read_text().split()[1]) * page,
            "open files": len(os.listdir(me / "fd")),
            "threads": len(os.listdir(me / "task")),
            "children": sum(len(t.read_text().split()) for t in tasks),
            "files": len(files),
            "folders": len([p for p in output.rglob("[!C]*") if p.is_dir()]),
            "bytes": sum(p.stat().st_size for p in set(files) - set(logs)),
        }
        with open(path, "a") as file:
            file.write(json.dumps(row) + "\n")
        if epoch == last:
            os._exit(0)

    OKDBrain.end_epoch = measured


def serve():
    """Fork runs as they are asked for, a request a line of JSON."""
    shrink()
    watched = Disk()
    with contextlib.ExitStack() as stack:
        scripts = {}
        replies = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        for line in sys.stdin:
            request = json.loads(line)
            name = request["kind"]
            kind = KINDS[name]
            argv = command_line(kind, Path(request["folder"]).parent)
            if name not in scripts:
                recipe = {"se": RECIPE, "le": LE_RECIPE}[kind.task]
                stack.enter_context(train_script(recipe))
                scripts[name] = sys.modules["train"]
                remember(scripts[name], argv)
            sys.modules["train"] = scripts[name]
            watched.arm(request["folder"])
            reply = run(scripts[name], argv, request, kind, watched)
            replies.write(json.dumps(reply) + "\n")
            replies.flush()


def run(train, argv, request, kind, disk):
    """Fork the processes of a run, and wait for their end."""
    count = request["processes"] or kind.processes
    environment = {}
    if count > 1:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {
            "WORLD_SIZE": str(count),
            "LOCAL_WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
    request["environment"] = environment
    processes = []
    for rank in range(count):
        process = os.fork()
        if process == 0:
            os.setpgid(0, processes[0] if processes else 0)
            train_here(train, argv, request, rank, disk)
        with contextlib.suppress(OSError):
            os.setpgid(process, processes[0] if processes else process)
        processes.append(process)
    codes, cpu = {}, 0.0
    leader = processes[0]
    while len(codes) < count:
        process, status, usage = os.wait4(-leader, 0)
        if process not in processes:
            continue
        codes[process] = os.waitstatus_to_exitcode(status)
        cpu += usage.ru_utime + usage.ru_stime
        if codes[process]:  # as torchrun ends the others
            with contextlib.suppress(OSError):
                os.killpg(leader, signal.SIGKILL)
    with contextlib.suppress(OSError):  # loader workers
        os.killpg(leader, signal.SIGKILL)
    return {
        "codes": [codes[process] for process in processes],
        "calls": disk.calls(),
        "cpu_seconds": cpu,
    }


# In the tests -----------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit codes of its processes, calls, seconds, and text."""

    codes: list
    calls: int
    cpu_seconds: float
    text: str

    @property
    def code(self):
        """The first one that is not 0."""
        return next((code for code in self.codes if code), 0)


class Runs:
    """Tiny runs below a folder; each kind has its own output folder.

    Arguments
    ---------
    folder : Path
        Receives the corpora, the library and the runs.
    """

    def __init__(self, folder):
        self.folder = folder
        write_corpus(folder / "corpus_se", seconds=0.4)
        (folder / "corpus_le").mkdir()
        write_speech_and_noise(folder / "corpus_le")
        self.cpu_seconds = 0.0
        paths = [TESTS, TESTS.parent, Path(__file__).parent]
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={
                **os.environ,
                "LD_PRELOAD": str(disk.build(folder)),
                "PYTHONPATH": os.pathsep.join(map(str, paths)),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=open(folder / "server.txt", "w"),
            text=True,
        )

    def output(self, kind):
        """Return the output folder of a kind's runs."""
        return self.folder / kind.replace(", ", "_").replace(" ", "_") / "out"

    def __call__(
        self,
        kind,
        what=WATCH,
        at=0,
        error=0,
        *,
        log=None,
        rank=0,
        cpu_seconds=0,
        processes=None,
        measure=None,
    ):
        """Run, or go on, in the output folder of a kind.

        Arguments
        ---------
        kind : str
            Of ``KINDS``.
        what : int
            As for ``Disk.arm``, likewise ``at`` and ``error``.
        at : int
            Number of the call.
        error : int
            Of a failure.
        log : Path, optional
            Receives what is written.
        rank : int
            The process in which this happens.
        cpu_seconds : float
            Kill it after so long; 0 does not.
        processes : int, optional
            That train together, instead of the kind's.
        measure : Path, optional
            Receives a line for each epoch; the run ends with its last.

        Returns
        -------
        Ended
        """
        output = self.output(kind)
        output.parent.mkdir(exist_ok=True)
        text = output.parent / "text.txt"
        text.unlink(missing_ok=True)
        request = {
            "kind": kind,
            "folder": str(output),
            "what": what,
            "at": at,
            "error": error,
            "log": log and str(log),
            "rank": rank,
            "cpu_seconds": cpu_seconds,
            "processes": processes,
            "measure": measure and str(measure),
            "text": str(text),
        }
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, (self.folder / "server.txt").read_text()[-4000:]
        ended = Ended(**json.loads(line), text=text.read_text())
        self.cpu_seconds += ended.cpu_seconds
        return ended

    def close(self):
        """End the process that waits."""
        self._process.stdin.close()
        self._process.wait()


# What a run leaves ------------------------------------------------------------

SPEAKS_OF_TIME = (
    *("CKPT.yaml", "SHA256SUMS", "hyperparams.yaml", "env.log"),
    *("train_log.csv", "runs.js"),  # hours, by epoch
)
CHECKPOINT = re.compile(r"CKPT\+[\w+-]+")


def outcome(folder):
    """Return what a run has left: name -> digest of what has to be equal.

    Of checkpoints those at the ends of epochs, by their epochs; no logs.
    """
    left = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (
            path.is_dir()
            or path.suffix == ".txt"
            or name.startswith("score_cache")
            or (path.name in SPEAKS_OF_TIME and "export" not in path.parts)
        ):
            continue
        if path.parent.name.startswith("CKPT+"):
            meta = (path.parent / "CKPT.yaml").read_text()
            epoch = re.search(r"^epoch: (\d+)", meta, re.MULTILINE)
            if epoch is None:
                continue
            name = f"epoch {epoch[1]}/{path.name}"
        left[name] = digest(path)
    return left


def digest(path):
    """Return a digest of a file: of the tensors or samples in it, or its text."""
    import soundfile
    import torch

    content = path.read_bytes()
    if path.suffix == ".wav":  # in its header is the time
        content = soundfile.read(path, dtype="float32")[0].tobytes()
    elif content[:2] == b"PK":
        tree = torch.load(path, weights_only=True)
        leaves, spec = torch.utils._pytree.tree_flatten(tree)
        parts = [
            (str(leaf.dtype), leaf.shape, leaf.numpy().tobytes())
            if isinstance(leaf, torch.Tensor)
            else repr(leaf)
            for leaf in leaves
        ]
        content = repr((str(spec), parts)).encode()
    else:
        text = content.decode("utf-8", "surrogateescape")
        content = CHECKPOINT.sub("CKPT", text).encode(errors="replace")
    return hashlib.sha256(content).hexdigest()[:12]


if __name__ == "__main__":
    serve()
