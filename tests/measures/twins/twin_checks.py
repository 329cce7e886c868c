"""What every twin has to show: prompts, edits of them, and the checks."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from okd_brain.metrics import METRICS

SAMPLES = Path(__file__).parents[2] / "samples"
PROMPTS = (
    "allison_en_agent-newlocation",
    "carlo_it_dir-firstlast",
    "june_fr_conf-onlyperson",
    "ivrvoice_ru_vm-leavemsg",
)
WINDOW = torch.hann_window(512)


@cache
def prompt(number):
    """Return one of four prompts, 2 to 3 s at 16 kHz.

    [samples]
    """
    signal, _ = soundfile.read(SAMPLES / f"{PROMPTS[number]}.flac")
    signal.flags.writeable = False
    return signal


@cache
def noise(number, snr_db):
    """Return noise like a crowd for a prompt: pink and slowly modulated."""
    clean, rng = prompt(number), np.random.default_rng(number)
    spectrum = np.fft.rfft(rng.standard_normal(len(clean)))
    spectrum /= np.sqrt(np.arange(len(spectrum)) + 20)
    sound = np.fft.irfft(spectrum, len(clean))
    sound *= 1.2 + np.sin(np.arange(len(clean)) / 1300 + number)
    level = np.sqrt(np.mean(clean**2) / np.mean(sound**2))
    return sound * level * 10 ** (-snr_db / 20)


def _spectrum(signal):
    signal = torch.from_numpy(np.array(signal)).float()
    return torch.stft(signal, 512, 256, window=WINDOW, return_complex=True)


def _wave(spectrum, samples):
    wave = torch.istft(spectrum, 512, 256, window=WINDOW, length=samples)
    return wave.numpy().astype(np.float64)


@cache
def enhanced_edits(number, snr_db=3):
    """Return edits of an enhanced prompt, as a discriminator's neighbours."""
    clean, around = prompt(number), noise(number, snr_db)
    speech, other = _spectrum(clean), _spectrum(around)
    mask = speech.abs() / (speech.abs().square() + other.abs().square()).sqrt()
    mask = mask.nan_to_num().clamp(min=0.05)
    slope = torch.linspace(-1, 1, 257)[:, None]
    bumps = torch.cos(9 * slope)
    edits = [(speech + other) * mask**power for power in (0.3, 0.6, 1, 1.4, 2)]
    edits += [edits[2] * 10 ** (db * slope / 20) for db in (-9, -4, 4, 9)]
    edits += [edits[2] * 10 ** (db * bumps / 20) for db in (-6, 6)]
    waves = [_wave(edit, len(clean)) for edit in edits]
    base, noisy = waves[2], clean + around
    waves += [base + share * (noisy - base) for share in (0.2, 0.5)]
    waves += [base + share * (clean - base) for share in (0.2, 0.5)]
    return waves


@cache
def heard_edits(number, snr_db=-2):
    """Return a prompt with gains at equal power, as heard in noise."""
    clean, around = prompt(number), noise(number, snr_db)
    speech, slope = _spectrum(clean), torch.linspace(-1, 1, 257)[:, None]
    shapes = (slope, torch.cos(9 * slope))
    waves = [
        _wave(speech * 10 ** (db * shape / 20), len(clean))
        for shape in shapes
        for db in (-8, -3, 0, 3, 8)
    ]
    powers = [np.mean(clean**2) / np.mean(wave**2) for wave in waves]
    pairs = zip(waves, powers, strict=True)
    heard = [wave * power**0.5 + around for wave, power in pairs]
    return heard + [clean + share * around for share in (0.5, 0.8, 1.4)]


def batch_of(signals):
    """Pad signals to a batch.

    [batch, samples], float32, and [batch]
    """
    tensors = [torch.tensor(signal, dtype=torch.float32) for signal in signals]
    lengths = torch.tensor([len(tensor) for tensor in tensors])
    padded = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
    return padded, lengths


def scores_of(twin, pairs):
    """Return the twin's scores of pairs, as one batch.

    [pairs]
    """
    reference, lengths = batch_of([reference for reference, _ in pairs])
    degraded, _ = batch_of([degraded for _, degraded in pairs])
    return twin(reference, degraded, lengths).detach().double().numpy()


def true_scores(metric, pairs):
    """Return the metric's scores of pairs.

    [pairs]
    """
    score = METRICS[metric].score
    return np.array([score(reference=r, degraded=d) for r, d in pairs])


def check_agreement(twin, metric, edits, *, within, absolute):
    """Compare with the metric over files and within each of them.

    Arguments
    ---------
    twin : torch.nn.Module
    metric : str
    edits : callable
        From the number of a prompt to versions of it.
    within : float
        Least Pearson correlation within an utterance.
    absolute : float
        Greatest difference.
    """
    for number in range(2):
        pairs = [(prompt(number), edit) for edit in edits(number)]
        found, true = scores_of(twin, pairs), true_scores(metric, pairs)
        assert np.corrcoef(found, true)[0, 1] >= within
        assert np.abs(found - true).max() <= absolute


def check_gradient(twin, degraded, *, relative):
    """Compare the gradient with finite differences in float64."""
    reference = torch.tensor(prompt(0))[None]
    degraded = torch.tensor(degraded)[None]
    wave = degraded.clone().requires_grad_()
    twin(reference, wave).sum().backward()
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        shape = torch.randn(wave.shape, generator=generator, dtype=wave.dtype)
        step = shape * (wave.detach().abs() * 1e-6 + 1e-9)
        higher, lower = (
            twin(reference, degraded + step),
            twin(reference, degraded - step),
        )
        expected = (higher - lower).item() / 2
        assert (wave.grad * step).sum().item() == pytest.approx(
            expected, rel=relative
        )
    single = degraded.float().requires_grad_()
    twin(reference.float(), single).sum().backward()
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(single.grad.double(), wave.grad).item() > 0.999


def check_padding_and_batch_mates(twin, *, relative):
    """Compare items in a batch with themselves alone."""
    pairs = [(prompt(number), enhanced_edits(number)[1]) for number in range(3)]
    reference, lengths = batch_of([reference for reference, _ in pairs])
    degraded, _ = batch_of([degraded for _, degraded in pairs])
    assert len(set(lengths.tolist())) == 3
    behind = torch.arange(degraded.shape[1]) >= lengths[:, None]
    degraded = degraded.masked_fill(behind, 0.5).requires_grad_()
    reference = reference.masked_fill(behind, torch.nan)
    scores = twin(reference, degraded, lengths)
    scores.sum().backward()
    assert (degraded.grad[behind] == 0).all()
    for item, pair in enumerate(pairs):
        alone, count = batch_of([pair[1]])
        alone.requires_grad_()
        score = twin(batch_of([pair[0]])[0], alone)
        score.sum().backward()
        assert score.item() == pytest.approx(scores[item].item(), rel=relative)
        error = alone.grad[0] - degraded.grad[item, : count[0]]
        assert error.norm() <= 100 * relative * alone.grad.norm()


def check_degenerate_signals(twin, metric):
    """No NaN in value or gradient; silence has the metric's floor."""
    clean = prompt(0)
    first = np.arange(len(clean)) < len(clean) // 2
    silence, long = np.zeros_like(clean), np.tile(clean, 12)
    rng = np.random.default_rng(0)
    floor = METRICS[metric].floor
    at_floor = [
        (clean, silence),
        (clean, silence + 0.25),
        (silence, clean),
        (silence + 0.25, clean),
        (silence, silence),
    ]
    others = [
        (clean, clean),
        (clean, -clean),
        (clean, np.where(first, clean, 0)),
        (clean, np.where(first, 0, clean)),
        (np.where(first, clean, 0), clean),
        (clean, np.clip(clean, -0.01, 0.01)),
        (clean, 1000 * clean),
        (clean, 1e-7 * clean),
        (clean, np.sin(np.arange(len(clean)))),
        (clean, np.sign(clean)),
        (np.eye(1, 16000)[0], clean[:16000]),
        (clean[:1], clean[:1]),
        (clean[:300], clean[:300]),
        (clean[8000:12400], clean[8000:12400] + 0.1),
        (long, long + 0.01 * rng.standard_normal(len(long))),
    ]
    for reference, degraded in others:
        _score_and_gradient(twin, reference, degraded)
    for reference, degraded in at_floor:
        score, gradient = _score_and_gradient(twin, reference, degraded)
        assert score == pytest.approx(floor, abs=1e-9)
        assert (gradient == 0).all()


def _score_and_gradient(twin, reference, degraded):
    reference, _ = batch_of([reference])
    degraded, _ = batch_of([degraded])
    degraded.requires_grad_()
    score = twin(reference, degraded)
    score.sum().backward()
    assert torch.isfinite(score).all()
    assert torch.isfinite(degraded.grad).all()
    return score.item(), degraded.grad


def check_half_precision(twin):
    """Autocast and half-precision inputs are computed in float32."""
    reference, _ = batch_of([prompt(0)])
    degraded, _ = batch_of([enhanced_edits(0)[0]])
    expected = twin(reference, degraded)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(twin(reference, degraded), expected)
    rounded = degraded.bfloat16()
    score = twin(reference, rounded)
    assert score.dtype == torch.float32
    assert torch.equal(score, twin(reference, rounded.float()))


def check_messages(make):
    """Wrong rates and shapes are rejected with the rule."""
    with pytest.raises(ValueError, match="needs 16000 Hz; got 8000 Hz"):
        make(sample_rate=8000)
    twin, wave = make(), torch.zeros(2, 16000)
    with pytest.raises(ValueError, match=r"\[batch, samples\].*\[16000\]"):
        twin(wave[0], wave[0])
    with pytest.raises(ValueError, match=r"floating point; got .*int64"):
        twin(wave.long(), wave)
    with pytest.raises(ValueError, match=r"one shape; got \[2, 16000\] and"):
        twin(wave, wave[:, 1:])
    with pytest.raises(ValueError, match=r"lengths of \[2\], int.*got \[1\]"):
        twin(wave, wave, torch.tensor([16000]))
    with pytest.raises(ValueError, match="from 1 to 16000 samples"):
        twin(wave, wave, torch.tensor([16000, 16001]))
    with pytest.raises(ValueError, match="from 1 to 16000 samples"):
        twin(wave, wave, torch.tensor([0, 5]))
    bad = wave.clone()
    bad[1, 7] = torch.nan
    with pytest.raises(ValueError, match=r"without NaN and .*items \[1\]"):
        twin(bad, wave)


def check_not_finite(twin):
    """Degrade one item to NaN: only its own score is NaN."""
    clean, _ = batch_of([prompt(0)])
    degraded = clean.repeat(2, 1)
    degraded[0, 20000] = torch.nan
    bad, good = twin(clean.expand(2, -1), degraded).tolist()
    assert np.isnan(bad) and np.isfinite(good)


def climb(twin, number, snr_db, *, steps=15):
    """Follow the gradient of a wave's spectral gains; return before and after.

    Arguments
    ---------
    twin : torch.nn.Module
    number : int
        Of the prompt.
    snr_db : float
        Of the mixture to start from.

    Returns
    -------
    list of numpy.ndarray
        Two waves, with gains of 1 and with those found.
    """
    clean = prompt(number)
    mixture = _spectrum(clean + noise(number, snr_db))
    reference, _ = batch_of([clean])
    gains_db = torch.zeros(mixture.shape, requires_grad=True)
    optimizer = torch.optim.Adam([gains_db], lr=1.0)
    waves = []
    for _ in range(steps + 1):
        wave = torch.istft(
            mixture * 10 ** (gains_db / 20),
            512,
            256,
            window=WINDOW,
            length=len(clean),
        )
        waves.append(wave.detach().double().numpy())
        optimizer.zero_grad()
        (-twin(reference, wave[None]).sum()).backward()
        optimizer.step()
    return [waves[0], waves[-1]]
