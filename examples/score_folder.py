"""Score what a model makes of noisy files, without writing what it makes.

    python examples/score_folder.py CLEAN NOISY [MODEL]

The files of either folder have the same names. The utterances that gain least
PESQ come first: these are worth listening to.
"""

import sys
from pathlib import Path

import numpy as np
import soundfile

import okd_brain
from okd_brain.resampling import resample

METRICS = ("pesq", "estoi", "si_sdr")
RATE = 16000  # Hz, at which these metrics are defined


def read(path):
    """Return the first channel of a file at 16 kHz, float64 [samples]."""
    samples, rate = soundfile.read(path, always_2d=True)
    return resample(samples[:, 0], rate, RATE)


def score(clean, noisy, model=None):
    """Return names, and scores [utterance, noisy or enhanced, metric]."""
    enhance = okd_brain.Enhancer(model)
    names = sorted(path.name for path in Path(noisy).iterdir())

    def pairs():  # read as the work proceeds
        for name in names:
            reference, wave = read(Path(clean, name)), read(Path(noisy, name))
            yield reference, wave
            yield reference, enhance(wave, RATE)

    with okd_brain.Scorer(METRICS, n_jobs=-1) as scorer:
        scores = scorer.score(pairs(), [name for name in names for _ in "ne"])
        for failure in scorer.failures:
            print(failure.utterance, failure.metric, failure.reason)
    return names, scores.reshape(len(names), 2, len(METRICS))


if __name__ == "__main__":
    names, scores = score(*sys.argv[1:])
    gains = scores[:, 1] - scores[:, 0]
    print("utterance", *METRICS)
    for row in np.argsort(gains[:, 0]):
        print(names[row], *gains[row].round(3))
    print("mean gain", *np.nanmean(gains, axis=0).round(3))
