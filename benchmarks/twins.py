"""How well the twins follow their metrics, and what they cost.

    python benchmarks/twins.py --speech SPEECH --noise NOISE

Prints Markdown tables, on one core. SPEECH and NOISE are folders of 16 kHz
audio. Each utterance is mixed with noise, enhanced by spectral subtraction,
and the enhanced speech is edited: mask powers, tilts, smooth gains, noise put
back, blends with the clean speech, and two of these in a row, at strengths
from 1 to 100 %. ``--ascent STEPS`` also lets each twin improve the mask of a
few utterances and reports what the true metrics say.

Where torch-pesq is installed, it is compared with the twin of PESQ.
"""

import argparse
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from okd_brain.metrics import METRICS  # noqa: E402
from okd_brain.scoring import Scorer  # noqa: E402

RATE = 16000
TWINS = {  # metric: module and class in okd_brain.measures.twins
    "pesq": "pesq.PESQTwin",
    "csig": "composite.CSIGTwin",
    "cbak": "composite.CBAKTwin",
    "covl": "composite.COVLTwin",
    "segsnr": "composite.SegSNRTwin",
}
SNRS_DB = (0, 5, 10, 15)
EDITS = 16
SMALL_CHANGE = (0.005, 0.05)  # of the label
FFT = {"n_fft": 512, "hop_length": 256, "window": torch.hann_window(512)}
COST_BATCH, COST_SECONDS = 6, 2
SEPARATOR = " | "


class TorchPESQ(torch.nn.Module):
    """torch-pesq under the twins' convention, without padding."""

    def __init__(self):
        super().__init__()
        from torch_pesq import PesqLoss

        self.loss = PesqLoss(1.0, sample_rate=RATE)

    def forward(self, reference, degraded):
        """Score equally long signals; return ``[batch]``."""
        return self.loss.mos(reference.clone(), degraded * 1.0)


def make_twins(names):
    """Make twins by row, each with its metric's name."""
    twins = {}
    for name in names:
        module, kind = TWINS[name].split(".")
        module = import_module(f"okd_brain.measures.twins.{module}")
        twins[name] = (name, getattr(module, kind)())
    if "pesq" in names and find_spec("torch_pesq"):
        twins["pesq (torch-pesq)"] = ("pesq", TorchPESQ())
    return twins


def utterances(speech, noise, count, seconds, seed):
    """Read and mix clean and noisy waves of one length, in float32."""
    rng = np.random.default_rng(seed)
    samples = round(seconds * RATE)
    paths = sorted(Path(speech).glob("*.flac"))
    noises = sorted(Path(noise).glob("*.flac"))
    pairs = []
    for index in rng.permutation(len(paths)):
        clean = soundfile.read(paths[index])[0]
        if len(clean) < samples:
            continue
        start = (len(clean) - samples) // 2
        clean = clean[start : start + samples]
        sound = soundfile.read(noises[rng.integers(len(noises))])[0]
        sound = np.resize(sound, samples) + 1e-5 * rng.standard_normal(samples)
        snr_db = SNRS_DB[len(pairs) % len(SNRS_DB)]
        level = np.sqrt(np.mean(clean**2) / np.mean(sound**2))
        noisy = clean + sound * level * 10 ** (-snr_db / 20)
        scale = 0.9 / max(np.abs(noisy).max(), np.abs(clean).max())
        pairs.append(
            [torch.from_numpy(wave * scale).float() for wave in (clean, noisy)]
        )
        if len(pairs) == count:
            return pairs
    raise ValueError(f"{speech} has {len(pairs)} utterances of {seconds} s")


def spectrum(wave):
    """Return the complex spectrum of a wave."""
    return torch.stft(wave, **FFT, return_complex=True)


def waveform(spectra, samples):
    """Return the wave of a complex spectrum."""
    return torch.istft(spectra, **FFT, length=samples)


def enhanced_mask(clean, noisy):
    """Return the mask of subtracting the mean spectrum of the noise."""
    power = spectrum(noisy).abs().square()
    mean = spectrum(noisy - clean).abs().square().mean(-1, keepdim=True)
    return (1 - 1.5 * mean / power.clamp(min=1e-12)).clamp(min=0.01).sqrt()


def edited(clean, noisy, mask, rng):
    """Edit enhanced speech once or twice at random."""
    samples = len(clean)
    kinds = ["power", "tilt", "gains", "noise", "blend"]
    chosen = rng.choice(kinds, size=rng.integers(1, 3), replace=False)
    strength = 10 ** rng.uniform(-2, 0)
    wave = waveform(mask * spectrum(noisy), samples)
    for kind in chosen:
        if kind == "noise":
            wave = wave + 0.5 * strength * (noisy - wave)
            continue
        if kind == "blend":
            wave = wave + 0.5 * strength * (clean - wave)
            continue
        if kind == "power":
            exponent = 1 + strength * (rng.uniform(0.3, 2) - 1)
            spectra = mask ** (exponent - 1) * spectrum(wave)
        else:
            bins, frames = mask.shape
            decibels = torch.linspace(-6, 6, bins)[:, None] * rng.choice(
                [-1, 1]
            )
            if kind == "gains":
                decibels = smooth_gains(bins, frames, rng)
            spectra = 10 ** (strength * decibels / 20) * spectrum(wave)
        wave = waveform(spectra, samples)
    return wave


def smooth_gains(bins, frames, rng):
    """Draw gains in dB that vary slowly, ``[bins, frames]``."""
    coarse = torch.from_numpy(rng.uniform(-9, 9, (1, 1, 6, 8))).float()
    size = (bins, frames)
    return torch.nn.functional.interpolate(coarse, size, mode="bicubic")[0, 0]


def pearson(left, right):
    """Return Pearson's correlation; NaN where one does not vary."""
    return np.corrcoef(left, right)[0, 1] if np.ptp(left) > 1e-9 else np.nan


def agreement(metric, true, ours):
    """Compute the figures of one twin.

    Arguments
    ---------
    metric : Metric
    true, ours : numpy.ndarray
        ``[utterances, variants]``, raw scores; the first variant is the one
        that the others are edits of, the second the noisy speech.

    Returns
    -------
    list of float
        Pearson's correlation over all variants, mean and largest absolute
        error, median and least correlation within an utterance, share of
        equal signs of small and of large changes, and the number of small
        changes.
    """
    within = [pearson(a, b) for a, b in zip(true, ours, strict=True)]
    label = metric.normalise(true)
    change = np.abs(label - label[:, :1])
    agree = np.sign(true - true[:, :1]) == np.sign(ours - ours[:, :1])
    small = (change >= SMALL_CHANGE[0]) & (change <= SMALL_CHANGE[1])
    error = np.abs(true - ours)
    return [
        pearson(true.ravel(), ours.ravel()),
        error.mean(),
        error.max(),
        np.nanmedian(within),
        np.nanmin(within),
        agree[small].mean(),
        agree[change > SMALL_CHANGE[1]].mean(),
        small.sum(),
    ]


def cost_ms(twin):
    """Measure milliseconds of forward and backward per second of audio."""
    torch.manual_seed(0)
    clean = torch.randn(COST_BATCH, COST_SECONDS * RATE) * 0.05
    seconds = []
    for _ in range(5):
        degraded = (clean + 0.02 * torch.randn_like(clean)).requires_grad_()
        begin = time.process_time()
        twin(clean, degraded).sum().backward()
        seconds.append(time.process_time() - begin)
    return 1000 * min(seconds) / (COST_BATCH * COST_SECONDS)


def ascend(twin, pairs, steps):
    """Improve each utterance's mask on a twin by Adam; return the waves."""
    waves = []
    for clean, noisy in pairs:
        start = enhanced_mask(clean, noisy).clamp(0.02, 0.98).logit()
        logits = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([logits], lr=0.1)
        spectra = spectrum(noisy)
        for _ in range(steps):
            wave = waveform(logits.sigmoid() * spectra, len(clean))
            loss = -twin(clean[None], wave[None]).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            waves.append(waveform(logits.sigmoid() * spectra, len(clean)))
    return waves


def row(*cells):
    """Print a line of a Markdown table."""
    cells = [f"{c:.3f}" if isinstance(c, float) else str(c) for c in cells]
    print("| " + SEPARATOR.join(cells) + " |", flush=True)


def header(*cells):
    """Print the head of a Markdown table."""
    row(*cells)
    row(*["---"] * len(cells))


def main():
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speech", required=True)
    parser.add_argument("--noise", required=True)
    parser.add_argument("--utterances", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ascent", type=int, default=0, metavar="STEPS")
    parser.add_argument("--metrics", nargs="+", default=list(TWINS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(arguments.seed)
    twins = make_twins(arguments.metrics)
    pairs = utterances(
        arguments.speech,
        arguments.noise,
        arguments.utterances,
        arguments.seconds,
        arguments.seed,
    )
    scorer = Scorer(arguments.metrics, n_jobs=1)

    def true_scores(references, waves):
        both = zip(references, waves, strict=True)
        return scorer.score([(a.numpy(), b.numpy()) for a, b in both])

    variants, true = [], []
    for clean, noisy in pairs:
        mask = enhanced_mask(clean, noisy)
        waves = [waveform(mask * spectrum(noisy), len(clean)), noisy]
        waves += [edited(clean, noisy, mask, rng) for _ in range(EDITS)]
        variants.append(torch.stack(waves))
        true.append(true_scores([clean] * len(waves), waves))
    true = np.stack(true)  # [utterance, variant, metric]

    header(
        *["twin", "Pearson, files", "mean abs. error", "largest error"],
        *["within, median", "within, worst", "sign, small changes"],
        *["sign, large changes", "small changes", "ms per s"],
    )
    for label, (name, twin) in twins.items():
        with torch.no_grad():
            ours = [
                twin(clean.expand_as(waves), waves).numpy()
                for (clean, _), waves in zip(pairs, variants, strict=True)
            ]
        metric = arguments.metrics.index(name)
        figures = agreement(METRICS[name], true[..., metric], np.stack(ours))
        row(label, *map(float, figures[:-1]), figures[-1], cost_ms(twin))

    if arguments.ascent:
        print(f"\nTrue scores after {arguments.ascent} steps on each twin\n")
        some = pairs[:6]
        references = [clean for clean, _ in some]
        header("mask optimised on", *arguments.metrics)
        start = true[: len(some), 0].mean(0)
        row("(start)", *map(float, start))
        for label, (_, twin) in twins.items():
            waves = ascend(twin, some, arguments.ascent)
            row(label, *map(float, true_scores(references, waves).mean(0)))


if __name__ == "__main__":
    main()
