"""What every twin has to show: prompts, edits of them, and the checks."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from okd_brain.measures import Pair, ReferenceHalves
from okd_brain.metrics import METRICS

SAMPLES = Path(__file__).parents[2] / "samples"
PROMPTS = (
    "allison_en_agent-newlocation",
    "carlo_it_dir-firstlast",
    "june_fr_conf-onlyperson",
    "ivrvoice_ru_vm-leavemsg",
)
WINDOW = torch.hann_window(512)


# --- signals: arrays of [samples], float64, at 16 kHz ------------------------


@cache
def prompt(number):
    """Return one of four prompts, 2 to 3 s."""
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


# --- scores ------------------------------------------------------------------


def batch_of(signals):
    """Pad signals to a batch.

    [batch, samples], float32, and [batch]
    """
    tensors = [torch.tensor(signal, dtype=torch.float32) for signal in signals]
    lengths = torch.tensor([len(tensor) for tensor in tensors])
    padded = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
    return padded, lengths


def tensors(*signals):
    """Return each signal as a batch of one."""
    return [batch_of([signal])[0] for signal in signals]


def scores_of(twin, pairs):
    """Return the twin's scores of pairs, as one batch.

    [pairs]
    """
    reference, lengths = batch_of([reference for reference, _ in pairs])
    degraded, _ = batch_of([degraded for _, degraded in pairs])
    return twin(reference, degraded, lengths).detach().double().numpy()


@cache
def _halves(reference):
    return ReferenceHalves(np.frombuffer(reference))


@cache
def _pair(reference, degraded):
    """Return a Pair, whose measures are shared by the metrics."""
    halves = _halves(reference)
    degraded = np.frombuffer(degraded)
    return Pair(reference=halves.reference, degraded=degraded, halves=halves)


def true_scores(metric, pairs):
    """Return the metric's scores of pairs.

    [pairs]
    """
    contents = [
        [np.asarray(signal, np.float64).tobytes() for signal in pair]
        for pair in pairs
    ]
    return np.array(
        [METRICS[metric].of_pair(_pair(*pair)) for pair in contents]
    )


def steepest(wave):
    """Return the greatest effect of a relative change of 32 ms of a wave."""
    whole = wave.shape[1] // 512 * 512
    sizes = [
        signal[:, :whole].unflatten(1, (-1, 512)).norm(dim=2)
        for signal in (wave.detach(), wave.grad)
    ]
    return (sizes[0] * sizes[1]).max() if whole else 0.0


def score_and_gradient(twin, reference, degraded):
    """Return a signal's score and gradient, both of which must be finite."""
    reference, degraded = tensors(reference, degraded)
    degraded.requires_grad_()
    score = twin(reference, degraded)
    score.sum().backward()
    assert torch.isfinite(score).all()
    assert torch.isfinite(degraded.grad).all()
    assert steepest(degraded) <= 31 * (twin.best - twin.floor)
    return score.item(), degraded.grad


# --- checks ------------------------------------------------------------------


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
    prepared = twin.prepare(reference)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        shape = torch.randn(wave.shape, generator=generator, dtype=wave.dtype)
        step = shape * (wave.detach().abs() * 1e-6 + 1e-9)
        higher, lower = (
            twin.score(prepared, degraded + step),
            twin.score(prepared, degraded - step),
        )
        expected = (higher - lower).item() / 2
        assert (wave.grad * step).sum().item() == pytest.approx(
            expected, rel=relative
        )
    single = degraded.float().requires_grad_()
    score = twin(reference.float(), single)
    assert score.dtype == torch.float32
    score.sum().backward()
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(single.grad.double(), wave.grad).item() > 0.999


def check_padding_and_batch_mates(twin, *, relative):
    """Compare items in a batch with themselves alone, and a bad mate."""
    pairs = [(prompt(number), enhanced_edits(number)[1]) for number in range(3)]
    pairs.append((prompt(3), np.full(len(prompt(3)), np.nan)))
    reference, lengths = batch_of([reference for reference, _ in pairs])
    degraded, _ = batch_of([degraded for _, degraded in pairs])
    assert len(set(lengths.tolist())) == 4
    behind = torch.arange(degraded.shape[1]) >= lengths[:, None]
    degraded = degraded.masked_fill(behind, 0.5).requires_grad_()
    reference = reference.masked_fill(behind, torch.nan)
    scores = twin(reference, degraded, lengths)
    scores[:3].sum().backward()
    assert torch.isnan(scores[3])
    assert (degraded.grad[:3][behind[:3]] == 0).all()
    for item, pair in enumerate(pairs[:3]):
        score, gradient = score_and_gradient(twin, *pair)
        assert score == pytest.approx(scores[item].item(), rel=relative)
        error = gradient[0] - degraded.grad[item, : lengths[item]]
        assert error.norm() <= 100 * relative * gradient.norm()


def degenerate_signals():
    """Return pairs that have the worst score, and others that have one."""
    clean = prompt(0)
    index = np.arange(len(clean))
    first = index < len(clean) // 2
    silence, long = np.zeros_like(clean), np.tile(clean, 8)
    noisy = clean + noise(0, 10)
    rng = np.random.default_rng(0)
    at_floor = [
        (clean, silence),
        (clean, silence + 0.25),
        (silence, clean),
        (silence + 0.25, clean),
        (silence, silence),
        (clean[:1], clean[:1]),
        (clean[:300], clean[:300]),
    ]
    others = [
        (clean, clean),
        (clean, -clean),
        (clean, np.where(first, clean, 0)),
        (clean, np.where(first, 0, clean)),
        (clean, np.where(first, noisy, 0.1)),
        (np.where(first, clean, 0), clean),
        (clean, np.clip(clean, -0.01, 0.01)),
        (clean, np.clip(40 * noisy, -1, 1)),
        (clean, 1e4 * noisy),
        (clean, 1e-7 * noisy),
        (clean, (index == 16000).astype(float)),
        (clean, np.sin(index)),
        (clean, np.sin(index / 16)),
        (clean, np.sign(clean)),
        (np.eye(1, 16000)[0], clean[:16000]),
        (clean[8000:12400], clean[8000:12400] + 0.1),
        (long, long + 0.01 * rng.standard_normal(len(long))),
    ]
    return at_floor, others


def check_degenerate_signals(twin, lowest, highest):
    """No NaN in value or gradient; silence has the worst score, no gradient."""
    at_floor, others = degenerate_signals()
    for pair in others:
        score, _ = score_and_gradient(twin, *pair)
        assert lowest <= score <= highest
    for pair in at_floor:
        score, gradient = score_and_gradient(twin, *pair)
        assert score == pytest.approx(twin.floor)
        assert (gradient == 0).all()
    with_score = (prompt(0), enhanced_edits(0)[1])
    alone = scores_of(twin, [with_score])[0]
    scores = scores_of(twin, [at_floor[2], with_score, at_floor[0]])
    expected = [twin.floor, alone, twin.floor]
    assert scores == pytest.approx(expected, rel=1e-4)


def check_half_precision(twin):
    """Autocast and half-precision inputs are computed in float32."""
    reference, degraded = tensors(prompt(0), enhanced_edits(0)[0])
    before = reference.clone(), degraded.clone()
    expected = twin(reference, degraded)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(twin(reference, degraded), expected)
    rounded = degraded.bfloat16()
    score = twin(reference, rounded)
    assert score.dtype == torch.float32
    assert torch.equal(score, twin(reference, rounded.float()))
    assert torch.equal(reference, before[0])
    assert torch.equal(degraded, before[1])


def check_prepared(twin):
    """One half of a reference serves several degraded signals."""
    prepared = twin.prepare(tensors(prompt(0))[0])
    for degraded in enhanced_edits(0)[:2]:
        reference, degraded = tensors(prompt(0), degraded)
        score = twin.score(prepared, degraded)
        assert torch.equal(score, twin(reference, degraded))
    assert not twin.state_dict()


def check_messages(make):
    """Wrong rates and shapes are rejected with the rule."""
    with pytest.raises(ValueError, match="twin needs 16000 Hz; got 8000 Hz"):
        make(sample_rate=8000)
    twin, wave = make(sample_rate=16000), torch.zeros(2, 16000)
    for bad in (wave[0], wave.long()):
        rule = r"of \[batch, samples\], floating point; got \[.*16000\] of"
        with pytest.raises(ValueError, match=f"a reference {rule}"):
            twin(bad, wave)
        with pytest.raises(ValueError, match=f"a degraded {rule}"):
            twin(wave, bad)
    for bad in (wave[:, 1:], wave[1:]):
        with pytest.raises(
            ValueError, match=r"one shape; got \[2, 16000\] and"
        ):
            twin(wave, bad)
    for lengths in ([16000], torch.tensor([0.5, 1.0]), [8000, 16000.0]):
        with pytest.raises(ValueError, match=r"lengths of \[2\], int.*; got"):
            twin(wave, wave, lengths)
    for lengths in (torch.tensor([16000, 16001]), [0, 5]):
        with pytest.raises(ValueError, match="lengths from 1 to 16000 samples"):
            twin(wave, wave, lengths)
    wave[1, 7] = torch.nan
    with pytest.raises(ValueError, match=r"without NaN and .*items \[1\]"):
        twin(wave, wave)


def climb(twin, number, snr_db, *, steps=15):
    """Follow the gradient of a wave's spectral gains; return before and after.

    Arguments
    ---------
    twin : torch.nn.Module
    number : int
        Of the prompt.
    snr_db : float
        Of the mixture to start from.
    steps : int
        Of Adam.

    Returns
    -------
    list of numpy.ndarray
        Two waves, with gains of 1 and with those found.
    """
    clean = prompt(number)
    mixture = _spectrum(clean + noise(number, snr_db))
    prepared = twin.prepare(batch_of([clean])[0])
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
        (-twin.score(prepared, wave[None]).sum()).backward()
        optimizer.step()
    return [waves[0], waves[-1]]
