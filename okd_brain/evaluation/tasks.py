"""The two tasks as ``evaluate.py`` sees them: inputs, systems, words.

``evaluate.py --help`` shows these words and has to answer at once, so that what
enhances is imported by the functions that do.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from okd_brain.messages import UserError


@dataclass(frozen=True)
class ComparedTask:
    """A task in which systems are compared.

    ``pair(clean, given, enhanced=None)`` returns utterance -> Files, whose
    ``enhanced`` is the unprocessed input if no folder of enhanced files is given.
    ``enhance(generator, task, signals)`` returns the wave that a generator,
    trained for ``task``, makes of unprocessed ``Signals``: [samples], float32,
    16 kHz.
    """

    task_name: str  # of a class of ``okd_brain.tasks``
    given: str  # "noisy" or "noise": the option, and the folder in a corpus
    pair: Callable
    enhance: Callable
    metrics: list  # by default: ``report_metrics`` of the recipe
    words: Mapping[str, str]  # on the command line
    baselines: Mapping[str, Callable] = field(default_factory=dict)

    @property
    def task(self):
        """The class, which names rows and metrics of every table."""
        return getattr(
            importlib.import_module("okd_brain.tasks"), self.task_name
        )

    def check(self, task, source):
        """Refuse a generator, from ``source``, that was trained otherwise."""
        if not isinstance(task, self.task):
            raise UserError(
                f"{source} is a generator for {task.description['task']}, which "
                f"cannot be compared here: {self.words['others']} can"
            )


def _pair_noisy(clean, noisy, enhanced=None):
    from okd_brain.evaluation.files import pair_folders

    return pair_folders(clean, enhanced or noisy)


def _pair_with_noise(clean, noise, enhanced=None):
    from okd_brain.evaluation.files import pair_folders

    return pair_folders(clean, enhanced or clean, noise)


def _enhance_noisy(generator, task, signals):
    import torch

    from okd_brain.enhance import enhance_wave
    from okd_brain.signals import SAMPLE_RATE

    wave = torch.from_numpy(signals.enhanced).contiguous()
    return enhance_wave(generator, wave, SAMPLE_RATE).numpy()


def _enhance_in_noise(generator, task, signals):
    import torch

    from okd_brain.enhance import enhance_listening
    from okd_brain.signals import SAMPLE_RATE

    speech, noise = (
        torch.from_numpy(wave).contiguous()
        for wave in (signals.clean, signals.noise)
    )
    return enhance_listening(
        generator,
        speech,
        SAMPLE_RATE,
        noise,
        SAMPLE_RATE,
        equal_power=task.equal_power,
    ).numpy()


def _ssdrc(signals):
    from okd_brain.signals import SAMPLE_RATE
    from okd_brain.tasks.ssdrc import ssdrc

    return ssdrc(signals.clean, SAMPLE_RATE).astype("float32")


ENHANCEMENT = ComparedTask(
    task_name="SpeechEnhancement",
    given="noisy",
    pair=_pair_noisy,
    enhance=_enhance_noisy,
    metrics="pesq csig cbak covl segsnr stoi estoi si_sdr".split(),
    words={
        "title": """\
Score several systems on the same utterances, beside the noisy speech itself.""",
        "exports": """\
an export folder, or a folder or hub id of SpeechBrain's MetricGAN+;
  a name of okd-enhance --list-models;""",
        "enhanced": "that any other system has enhanced.",
        "log": """\
There are tables by SNR, noise and speaker if a log of VoiceBank-DEMAND (lines
'p232_001 bus 17.5') lies beside the noisy folder as log_*.txt, or --log names
one, or a manifest (.json).""",
        "given": "what models enhance",
        "untouched": "the noisy speech itself",
        "others": "those of recipes/VoiceBank/okd",
    },
)
"""``recipes/VoiceBank/okd/evaluate.py``."""

LISTENING = ComparedTask(
    task_name="ListeningEnhancement",
    given="noise",
    pair=_pair_with_noise,
    enhance=_enhance_in_noise,
    metrics="siib haspi haspi_linear estoi stoi pesq".split(),
    words={
        "title": """\
Score several systems that change speech so that it is understood better in the
listener's noise, on the same utterances, beside the speech as it is and SSDRC.

Metrics of the ear (such as siib) get what a system plays and the noise together,
metrics of the device (such as pesq) what it plays. The levels are those of the
files; power_ratio_db, in every table, is the power of what is played over that
of the speech, and must be 0 for a fair comparison.""",
        "exports": "an export folder of recipes/LE/okd;",
        "enhanced": "\
that any other system has played, without the noise.",
        "log": """\
There are tables by SNR, noise and speaker if a log (lines 'm_661_wind_-5dB wind
-5') lies beside the noise folder as log_*.txt, where write_mixtures puts it, or
--log names one, or a manifest (.json).""",
        "given": "the listener's noise",
        "untouched": "the speech as it is",
        "others": "those of recipes/LE/okd",
    },
    baselines={"ssdrc": _ssdrc},
)
"""``recipes/LE/okd/evaluate.py``."""
