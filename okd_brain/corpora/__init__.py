"""Folders of audio to manifests, and manifests to datasets.

Two kinds of corpora come in. One is made of (clean, noisy) pairs: `prepare_corpus`
finds the pairs in one of the `LAYOUTS`. The other is clean speech and noise:
`prepare_mixture_corpus` finds out who says what, divides speech and noise into
splits, and plans mixtures as a `MixingPlan` says. How published collections are
laid out is a table, `okd_brain.corpora.layouts`; what was understood of a folder is
logged. Either reads every file once,
reports all bad ones together, resamples what is not at 16 kHz, writes three
manifests with a record of what they were made from, and re-uses these as long as
nothing has changed. Datasets read, or mix, on access. The mini corpora come with
okd and need no download.

What belongs to one corpus alone (who validates in VoiceBank-DEMAND, which Harvard
sentence is in which split) is up to the recipe, which hands over a function.
"""

from okd_brain.corpora.checks import LENGTH_TOLERANCE_SECONDS, Violation
from okd_brain.corpora.layouts import LAYOUTS
from okd_brain.corpora.manifests import make_dataset
from okd_brain.corpora.mini import build_mini_corpus, build_mini_noises
from okd_brain.corpora.mixing_plan import MixingPlan, check_mixing
from okd_brain.corpora.mixture_corpus import (
    MixtureCorpus,
    prepare_mixture_corpus,
)
from okd_brain.corpora.mixtures import make_mixture_dataset
from okd_brain.corpora.paired import PreparedCorpus, prepare_corpus
from okd_brain.corpora.preparation import list_audio
from okd_brain.corpora.speech import Utterance, find_utterances
from okd_brain.corpora.splits import choose_speakers

__all__ = [
    "LAYOUTS",
    "LENGTH_TOLERANCE_SECONDS",
    "MixingPlan",
    "MixtureCorpus",
    "PreparedCorpus",
    "Utterance",
    "Violation",
    "build_mini_corpus",
    "build_mini_noises",
    "check_mixing",
    "choose_speakers",
    "find_utterances",
    "list_audio",
    "make_dataset",
    "make_mixture_dataset",
    "prepare_corpus",
    "prepare_mixture_corpus",
]
