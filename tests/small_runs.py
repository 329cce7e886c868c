"""A corpus of four speakers, and what ``train.py`` needs to run on it briefly."""

import numpy as np
import soundfile
from experiments import BASE, RATE, speech

SPEAKERS = ("001", "002", "003")


def write_corpus(folder, seconds=1.0):
    """Three speakers for training and one for the test, in 16 kHz pairs."""
    rng = np.random.default_rng(0)
    for part, speakers in (("train", SPEAKERS), ("test", ("004",))):
        for number, speaker in enumerate(speakers):
            clean = 0.4 * speech(number, seconds)
            noisy = clean + 0.05 * rng.standard_normal(len(clean))
            for kind, wave in (("clean", clean), ("noisy", noisy)):
                path = folder / part / kind / f"{speaker}_1.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, wave, RATE)
    return folder


def arguments(corpus, output, *more, **options):
    options = {
        "data_folder": corpus,
        "output_folder": output,
        "valid_speakers": "[001]",
        "targets": "[[si_sdr],[segsnr]]",
        "report_metrics": "[si_sdr]",
        "number_of_epochs": 1,
        "number_of_samples": 1,
        "n_jobs": 1,
        "device": "cpu",
        **options,
    }
    pairs = [str(t) for k, v in options.items() for t in (f"--{k}", v)]
    return [str(BASE), *pairs, "--noprogressbar", *more]
