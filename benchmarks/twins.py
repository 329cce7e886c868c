"""How well the twins follow their metrics, and what they cost.

    python benchmarks/twins.py --speech SPEECH --noise NOISE

Prints Markdown tables, on one core. SPEECH and NOISE are folders of 16 kHz
audio. There are two kinds of material:

enhanced
    Each utterance is mixed with noise at 0 to 15 dB and enhanced by spectral
    subtraction. The enhanced speech is edited: mask powers, tilts, smooth
    gains, noise put back, blends with the clean speech, and two of these in a
    row, at strengths from 1 to 100 %.
heard
    Each utterance is heard in noise at -6 to 3 dB, and the speech is edited at
    equal power before the noise comes in: tilts and smooth gains. Only metrics
    of what reaches the ear are compared.

``--ascent STEPS`` also lets each twin improve the mask of a few utterances and
reports what the true metrics say.

Where torch-pesq is installed, it is compared with the twin of PESQ.
"""

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from okd_brain.metrics import METRICS  # noqa: E402
from okd_brain.scoring import Scorer  # noqa: E402

RATE = 16000
TWINS = [name for name, metric in METRICS.items() if metric.twin is not None]
ENHANCED_SNRS_DB = (0, 5, 10, 15)
HEARD_SNRS_DB = (-6, -3, 0, 3)
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

    def prepare(self, reference):
        """Return the reference; torch-pesq prepares nothing."""
        return reference

    def score(self, reference, degraded):
        """Score equally long signals; return ``[batch]``."""
        return self.loss.mos(reference.clone(), degraded * 1.0)


def make_twins(names):
    """Make twins by row, each with its metric's name."""
    twins = {name: (name, METRICS[name].twin(RATE)) for name in names}
    if "pesq" in names and find_spec("torch_pesq"):
        twins["pesq (torch-pesq)"] = ("pesq", TorchPESQ())
    return twins


def utterances(arguments, snrs_db):
    """Read speech and mix it; return clean and noisy waves of one length."""
    rng = np.random.default_rng(arguments.seed)
    samples = round(arguments.seconds * RATE)
    paths = sorted(Path(arguments.speech).glob("*.flac"))
    noises = sorted(Path(arguments.noise).glob("*.flac"))
    pairs = []
    for index in rng.permutation(len(paths)):
        clean = soundfile.read(paths[index])[0]
        if len(clean) < samples:
            continue
        start = (len(clean) - samples) // 2
        clean = clean[start : start + samples]
        sound = soundfile.read(noises[rng.integers(len(noises))])[0]
        sound = np.resize(sound, samples) + 1e-5 * rng.standard_normal(samples)
        snr_db = snrs_db[len(pairs) % len(snrs_db)]
        level = np.sqrt(np.mean(clean**2) / np.mean(sound**2))
        noisy = clean + sound * level * 10 ** (-snr_db / 20)
        scale = 0.9 / max(np.abs(noisy).max(), np.abs(clean).max())
        pairs.append(
            [torch.from_numpy(wave * scale).float() for wave in (clean, noisy)]
        )
        if len(pairs) == arguments.utterances:
            return pairs
    raise ValueError(
        f"{arguments.speech} has {len(pairs)} utterances of"
        f" {arguments.seconds} s"
    )


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


def enhanced_variants(clean, noisy, count, rng):
    """Return enhanced speech, its unprocessed input, and edits of it."""
    mask = enhanced_mask(clean, noisy)
    waves = [waveform(mask * spectrum(noisy), len(clean)), noisy]
    waves += [edited(clean, noisy, mask, rng) for _ in range(count)]
    return torch.stack(waves)


def heard_variants(clean, noisy, count, rng):
    """Return speech as heard in noise, and what edits of it are heard."""
    waves = [noisy]
    for _ in range(count):
        spectra = spectrum(clean)
        decibels = random_gains(*spectra.shape, rng)
        strength = 10 ** rng.uniform(-2, 0)
        edit = 10 ** (strength * decibels / 20) * spectra
        edit = waveform(edit, len(clean))
        power = clean.square().mean() / edit.square().mean()
        waves.append(edit * power.sqrt() + noisy - clean)
    return torch.stack(waves)


MATERIALS = {
    "enhanced": (ENHANCED_SNRS_DB, enhanced_variants),
    "heard": (HEARD_SNRS_DB, heard_variants),
}


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
            decibels = random_gains(*mask.shape, rng, kind)
            spectra = 10 ** (strength * decibels / 20) * spectrum(wave)
        wave = waveform(spectra, samples)
    return wave


def random_gains(bins, frames, rng, kind=None):
    """Draw a tilt or gains that vary slowly, in dB, ``[bins, frames or 1]``."""
    if (kind or rng.choice(["tilt", "gains"])) == "tilt":
        return torch.linspace(-6, 6, bins)[:, None] * rng.choice([-1, 1])
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
        that the others are edits of.

    Returns
    -------
    list of float
        Pearson's correlation over all variants, median and least correlation
        within an utterance, share of equal signs of small and of large
        changes, mean and largest absolute error, and the number of small
        changes.
    """
    within = [pearson(a, b) for a, b in zip(true, ours, strict=True)]
    label = metric.normalise(true)
    change = np.abs(label - label[:, :1])
    agree = np.sign(true - true[:, :1]) == np.sign(ours - ours[:, :1])
    small = (change >= SMALL_CHANGE[0]) & (change <= SMALL_CHANGE[1])
    error = np.abs(true - ours)
    figures = [
        pearson(true.ravel(), ours.ravel()),
        np.nanmedian(within),
        np.nanmin(within),
        agree[small].mean(),
        agree[change > SMALL_CHANGE[1]].mean(),
        error.mean(),
        error.max(),
    ]
    return [*map(float, figures), int(small.sum())]


def cost_ms(make_twin):
    """Measure milliseconds per second of audio.

    Arguments
    ---------
    make_twin : callable
        A new twin has kept nothing of the references.

    Returns
    -------
    list of float
        Of the reference's half, and of the rest forward and backward.
    """
    torch.manual_seed(0)
    make_twin().prepare(torch.randn(1, RATE))  # tables
    seconds = []
    for _ in range(5):
        twin = make_twin()
        clean = torch.randn(COST_BATCH, COST_SECONDS * RATE) * 0.05
        degraded = (clean + 0.02 * torch.randn_like(clean)).requires_grad_()
        begin = time.process_time()
        prepared = twin.prepare(clean)
        half = time.process_time()
        twin.score(prepared, degraded).sum().backward()
        seconds.append((half - begin, time.process_time() - half))
    return list(1000 * np.min(seconds, 0) / (COST_BATCH * COST_SECONDS))


def ascend(twin, pairs, steps):
    """Improve each utterance's mask on a twin by Adam; return the waves."""
    waves = []
    for clean, noisy in pairs:
        start = enhanced_mask(clean, noisy).clamp(0.02, 0.98).logit()
        logits = start.clone().requires_grad_()
        optimizer = torch.optim.Adam([logits], lr=0.1)
        spectra, prepared = spectrum(noisy), twin.prepare(clean[None])
        for _ in range(steps):
            wave = waveform(logits.sigmoid() * spectra, len(clean))
            loss = -twin.score(prepared, wave[None]).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            waves.append(waveform(logits.sigmoid() * spectra, len(clean)))
    return waves


def row(*cells):
    """Print a line of a Markdown table."""
    cells = [f"{c:.4g}" if isinstance(c, float) else str(c) for c in cells]
    print("| " + SEPARATOR.join(cells) + " |", flush=True)


def header(*cells):
    """Print the head of a Markdown table."""
    row(*cells)
    row(*["---"] * len(cells))


def read_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--speech", required=True)
    parser.add_argument("--noise", required=True)
    parser.add_argument("--utterances", type=int, default=24)
    parser.add_argument("--edits", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ascent", type=int, default=0, metavar="STEPS")
    parser.add_argument("--metrics", nargs="+", default=TWINS, choices=TWINS)
    return parser.parse_args()


def true_scores(names, references, waves):
    """Score waves with the metrics, ``[wave, metric]``."""
    pairs = zip(references, waves, strict=True)
    pairs = [(clean.numpy(), wave.numpy()) for clean, wave in pairs]
    with Scorer(names, n_jobs=1) as scorer:
        return scorer.score(pairs)


def print_agreement(arguments, twins):
    """Compare the twins with their metrics on both kinds of material."""
    header(
        *["twin", "material", "Pearson, files", "within, median"],
        *["within, worst", "sign, small changes", "sign, large changes"],
        *["mean abs. error", "largest error", "small changes"],
    )
    for material, (snrs_db, make_variants) in MATERIALS.items():
        names = [
            name
            for name in arguments.metrics
            if material == "enhanced" or METRICS[name].hears == "ear"
        ]
        rng = np.random.default_rng(arguments.seed)
        variants, true = [], []
        pairs = utterances(arguments, snrs_db)
        for clean, noisy in pairs:
            waves = make_variants(clean, noisy, arguments.edits, rng)
            variants.append(waves)
            true.append(true_scores(names, [clean] * len(waves), waves))
        true = np.stack(true)  # [utterance, variant, metric]
        for label, (name, twin) in twins.items():
            if name not in names:
                continue
            with torch.no_grad():
                ours = [
                    twin.score(
                        twin.prepare(clean.expand_as(waves)), waves
                    ).numpy()
                    for (clean, _), waves in zip(pairs, variants, strict=True)
                ]
            scores = true[..., names.index(name)]
            row(
                *[label, material],
                *agreement(METRICS[name], scores, np.stack(ours)),
            )


def print_cost(twins):
    """Measure what the twins cost."""
    header("twin", "reference's half, ms per s", "the rest, ms per s")
    for label, (name, twin) in twins.items():
        make_twin = METRICS[name].twin if label == name else type(twin)
        arguments = [RATE] if label == name else []
        row(label, *cost_ms(lambda m=make_twin, a=arguments: m(*a)))


def print_ascent(arguments, twins):
    """Improve masks on each twin; print what the metrics say of them."""
    pairs = utterances(arguments, ENHANCED_SNRS_DB)[:6]
    references = [clean for clean, _ in pairs]
    header("mask optimised on", *arguments.metrics)
    start = [
        waveform(enhanced_mask(*p) * spectrum(p[1]), len(p[0])) for p in pairs
    ]
    results = {"(start)": start}
    for label, (_, twin) in twins.items():
        results[label] = ascend(twin, pairs, arguments.ascent)
    for label, waves in results.items():
        scores = true_scores(arguments.metrics, references, waves)
        row(label, *map(float, scores.mean(0)))


def main():
    """Measure and print the tables."""
    arguments = read_arguments()
    torch.set_num_threads(1)
    twins = make_twins(arguments.metrics)
    print_agreement(arguments, twins)
    print()
    print_cost(twins)
    if arguments.ascent:
        print(f"\nTrue scores after {arguments.ascent} steps on each twin\n")
        print_ascent(arguments, twins)


if __name__ == "__main__":
    main()
