"""The run around the algorithm, which ``okd_brain.brain`` tells.

``networks`` builds generators and discriminators, ``pretrained`` may give them
weights, ``optimizers`` steps them. ``curriculum`` says which stage an epoch is
in and draws its ``excerpts``; ``phases`` loads them pass by pass; the
discriminator learns from the ``current_set`` and from the ``replay`` of past
ones. ``evaluating`` validates, logs and tests; ``checkpoints`` chooses the best
epoch of each generator. ``run`` has the acts of a recipe's ``train.py``, and
``internals`` all that depends on undocumented parts of SpeechBrain.
"""

from okd_brain.training.checkpoints import (
    Selection,
    StepCounter,
    load_generators,
)
from okd_brain.training.current_set import CurrentSetMaker
from okd_brain.training.curriculum import Curriculum
from okd_brain.training.evaluating import EvaluatingBrain
from okd_brain.training.excerpts import ExcerptReader
from okd_brain.training.internals import AtomicCheckpointer
from okd_brain.training.networks import build_modules, discriminator_heads
from okd_brain.training.optimizers import Optimizers
from okd_brain.training.phases import Phase, PhasedLoader
from okd_brain.training.pretrained import start_from_pretrained
from okd_brain.training.replay import Replay
from okd_brain.training.run import export_trained, fit, report_on

__all__ = [
    "AtomicCheckpointer",
    "CurrentSetMaker",
    "Curriculum",
    "EvaluatingBrain",
    "ExcerptReader",
    "Optimizers",
    "Phase",
    "PhasedLoader",
    "Replay",
    "Selection",
    "StepCounter",
    "build_modules",
    "discriminator_heads",
    "export_trained",
    "fit",
    "load_generators",
    "report_on",
    "start_from_pretrained",
]
