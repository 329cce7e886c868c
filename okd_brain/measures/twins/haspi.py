"""A differentiable linear HASPI.

Li and Yamagishi, IEEE/ACM TASLP 29, 2021, on Kates's model of the ear; see
``okd_brain.measures.haspi``. The steps and constants are that room's. What
differs is the arithmetic: all filters are multiplications of spectra, and each
band is followed at a rate that suits its width, 2.7 to 16 kHz, not at 24 kHz. A
band's envelope above half that rate is lost, which moves scores by about 0.02
of 11.5.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.fft import next_fast_len
from scipy.signal import butter, freqz
from torch.nn import functional

from okd_brain.measures.haspi import ear_model, modulation
from okd_brain.measures.haspi.ear_model import (
    DOWN,
    LEVEL_DB_SPL,
    MIN_SECONDS,
    UP,
)
from okd_brain.measures.haspi.linear import (
    HASPI_LINEAR_PERFECT,
    WEIGHTS,
    lowpass,
)
from okd_brain.measures.twins.base import SAMPLE_RATE, HalvesCache, Twin

EAR_RATE = ear_model.SAMPLE_RATE
FRAME_RATE = EAR_RATE / ear_model.DECIMATION
# Rates at which bands are followed, in frame rates, and how many widths of its
# widest filter a band needs.
MULTIPLES = (1, 2, 3, 4, 6)
WIDTHS = 4.0
TAIL_SECONDS = 0.25  # until the ear is at rest, so that nothing wraps around
STEP = 720  # frames; transforms are whole numbers of it, 0.27 s, long

NO_ENERGY = 1e-20  # of a sample: -200 dB
NO_VIBRATION = 1e-6  # power; an audible one is over 1
NO_MODULATION = 1e-6  # dB squared; rounding leaves 1e-9


class HASPILinearTwin(Twin):
    """Score waves nearly as ``okd_brain.measures.haspi.linear`` does.

    Scores are within [0, 11.467]: 0, without a gradient, where less than 0.24 s
    of the reference are audible. Halves of references are kept, the last ones
    used, up to 256 MB. Since bands are cut at whole bins, the padding of a
    batch moves scores by 1e-5 of themselves and the gradient by 1 to 2 % of its
    norm.

    Arguments
    ---------
    sample_rate : int
        16000 Hz is accepted.

    Example
    -------
    >>> _ = torch.manual_seed(0)
    >>> clean = torch.randn(1, 16000)
    >>> round(HASPILinearTwin()(clean, clean).item(), 2)
    11.47
    """

    name = "HASPI"
    best = HASPI_LINEAR_PERFECT
    min_seconds = MIN_SECONDS

    def __init__(self, sample_rate=SAMPLE_RATE):
        super().__init__(sample_rate)
        angle = np.pi * np.arange(ear_model.BANDS) / (ear_model.BANDS - 1)
        shapes = np.cos(modulation.CEPSTRA[:, None] * angle)
        shapes /= np.linalg.norm(shapes, axis=1, keepdims=True)
        self._keep(_shapes=shapes, _weights=WEIGHTS)
        self._halves = HalvesCache(self._half)

    def half_of(self, reference, lengths):
        """Return the reference's half, and which items have a score."""
        return self._halves.of(reference, lengths)

    def compare(self, halves, degraded, lengths):
        """Return the scores, [items]; see ``Twin``."""
        ear = Ear(degraded, lengths[:, None])
        rates = ear.rates(torch.stack([half.delays for half in halves]))
        return torch.stack(list(map(self._compared, halves, rates)))

    def _half(self, signal):
        """Return what is needed of a reference, or None if it has no score."""
        samples = torch.tensor([[len(signal)]], device=signal.device)
        ear = Ear(signal[None], samples)
        delays = ear.delays()
        frames = (len(signal) * UP + DOWN - 1) // DOWN
        frames = (frames - 1) // ear_model.DECIMATION + 1
        rates = ear.rates(delays)[0, :, :frames]
        loudness = 20 * (10 ** (rates / 20)).mean(dim=0).log10()
        audible = torch.nonzero(loudness > modulation.AUDIBLE_DB)[:, 0]
        if len(audible) < modulation.LONGEST_FRAMES:
            return None
        return _Half(
            delays[0], audible, _unit(self._modulations(rates[:, audible]))
        )

    def _compared(self, half, rates):
        """Correlate one signal's modulations with its reference's."""
        modulations = _unit(self._modulations(rates[:, half.audible]))
        correlations = (modulations * half.modulations).sum(dim=-1).abs()
        return self._weights.to(rates.dtype) @ correlations.mean(dim=0)

    def _modulations(self, rates):
        """Return filtered cepstra.

        [32, frames] to [5, 10, frames]
        """
        cepstra = self._shapes.to(rates.dtype) @ rates
        cepstra = cepstra - cepstra.mean(dim=-1, keepdim=True)
        frames = cepstra.shape[-1]
        size = next_fast_len(frames + modulation.LONGEST_FRAMES, real=True)
        responses = torch.from_numpy(modulation.responses(size)).to(cepstra)
        spectra = torch.fft.rfft(cepstra, size)[:, None] * responses
        signals = torch.fft.irfft(spectra, size)[..., :frames]
        return signals - signals.mean(dim=-1, keepdim=True)


class _Half(NamedTuple):
    """What is needed of a reference."""

    delays: torch.Tensor  # [32], samples at 24 kHz
    audible: torch.Tensor  # [frames], indices
    modulations: torch.Tensor  # [5, 10, frames], each of unit norm


def _unit(modulations):
    """Return modulations of unit norm; without any, 0."""
    energy = modulations.square().sum(dim=-1, keepdim=True)
    return modulations * (energy + NO_MODULATION).rsqrt()


class _Group(NamedTuple):
    """Successive bands that are followed at one rate."""

    multiple: int  # of the frame rate
    bands: list  # of ear_model.Band


@lru_cache(maxsize=1)
def _groups():
    groups = []
    for band in ear_model.bands():
        needed = WIDTHS * band.widest * band.width_hz
        multiple = next(m for m in MULTIPLES if m * FRAME_RATE >= needed)
        if not groups or groups[-1].multiple < multiple:
            groups.append(_Group(multiple, []))
        groups[-1].bands.append(band)
    return groups


class Ear:
    """Signals in the ear's bands, as far as it is linear.

    Arguments
    ---------
    signal : torch.Tensor
        [batch, samples] at 16 kHz.
    samples : torch.Tensor
        [batch, 1], how many are valid.

    Attributes
    ----------
    poles : torch.Tensor
        [batch, 32], of the gammatone filters.
    """

    def __init__(self, signal, samples):
        seconds = signal.shape[1] / SAMPLE_RATE + TAIL_SECONDS
        steps = next_fast_len(math.ceil(seconds * FRAME_RATE / STEP))
        self._frames = steps * STEP
        self._size = self._frames * ear_model.DECIMATION
        self._samples = -(-samples * UP // DOWN)
        spectrum = self._presented(signal)
        self._parts = [self._part(spectrum, group) for group in _groups()]
        self.poles = torch.cat([part[-1] for part in self._parts], dim=1)

    def _presented(self, signal):
        """Return two-sided spectra behind the middle ear, -24 to 24 kHz."""
        spectrum = torch.fft.rfft(signal, self._size * DOWN // UP)
        resampling, middle_ear = (
            torch.from_numpy(response).to(spectrum)
            for response in _outer_ear(self._size)
        )
        spectrum = spectrum * resampling
        energy = 2 * _power(spectrum).sum(dim=1, keepdim=True) / self._size
        energy = (energy / self._samples).clamp(min=NO_ENERGY)
        level = 10 ** (LEVEL_DB_SPL / 20) * energy.rsqrt()
        spectrum = spectrum * middle_ear * level
        missing = self._size - spectrum.shape[1]
        spectrum = functional.pad(spectrum, (0, missing))
        below = spectrum[:, 1:].flip(1).conj().resolve_conj()
        return torch.cat([below, spectrum], dim=1)

    def _part(self, spectrum, group):
        """Cut the bands of a group out of the spectrum and widen filters.

        Returns the spectra of the bands moved to 0 Hz, before and behind the
        filter that controls the compression, [batch, bands, points]; the
        response of a delay of one sample, [bands, points]; and the pole that
        level has given to the second filter, [batch, bands].
        """
        points = self._frames * group.multiple
        step_hz = EAR_RATE / self._size
        places = [round(band.centre_hz / step_hz) for band in group.bands]
        start = self._size - 1 - points // 2
        cut = [
            spectrum[:, start + place : start + place + points]
            for place in places
        ]
        # From the lowest frequency up: in time, that changes signs only.
        cut = torch.stack(cut, dim=1)
        real, device = cut.real.dtype, cut.device
        centre_hz, width_hz, widest, _ = np.array(group.bands).T
        # A band's centre lies between two bins.
        rest_hz = np.array(places) * step_hz - centre_hz
        bins = np.arange(points) - points // 2
        hz = bins * step_hz + rest_hz[:, None]
        angle = torch.from_numpy(-2 * np.pi / EAR_RATE * hz).to(device, real)
        delay = torch.polar(torch.ones_like(angle), angle)
        width_hz, widest = (
            torch.from_numpy(values).to(device, real)
            for values in (width_hz, widest)
        )
        response, _ = _gammatone(_pole(width_hz * widest), delay)
        control = cut * response
        level = _power(control).sum(dim=-1) / self._size / self._samples
        level_db = 10 * level.clamp(min=NO_ENERGY).log10()
        low, high = ear_model.WIDENING_DB_SPL
        wider = ((level_db - low) / (high - low)).clamp(0, 1)
        pole = _pole(
            width_hz * torch.lerp(torch.ones_like(widest), widest, wider)
        )
        return cut, control, delay, pole

    def delays(self):
        """Return how many samples each band waits for the slowest one.

        [batch, 32]
        """
        poles = self.poles
        delay = 4 * poles / (1 + 2 * poles) + 4 * poles / (1 - poles)
        delay = delay.round()
        return delay.amax(dim=-1, keepdim=True) - delay

    def rates(self, delays):
        """Return firing rates.

        Arguments
        ---------
        delays : torch.Tensor
            [batch, 32], samples at 24 kHz to wait in each band.

        Returns
        -------
        torch.Tensor
            [batch, 32, frames], dB above threshold at 2667 Hz.
        """
        rates, first = [], 0
        for group, part in zip(_groups(), self._parts, strict=True):
            last = first + len(group.bands)
            vibration = self._vibration(group, part, delays[:, first:last])
            rates.append(self._firing(group, vibration))
            first = last
        return torch.cat(rates, dim=1)

    def _vibration(self, group, part, delays):
        """Return envelopes behind the compression.

        [batch, bands, points]
        """
        cut, control, delay, pole = part
        points = cut.shape[-1]
        ramp = np.arange(points) - points // 2
        ramp = torch.from_numpy(-2 * np.pi / self._size * ramp).to(delays)
        angle = ramp * delays[..., None]
        late = torch.polar(torch.ones_like(angle), angle)
        # The response's slope carries the gradient of the filter's width.
        fixed = pole.detach()
        response, slope = (part * late for part in _gammatone(fixed, delay))
        response = response + slope * (pole - fixed)[..., None]
        scale = (points / self._size) ** 2
        control = scale * _power(torch.fft.ifft(control * late))
        envelope = scale * _power(torch.fft.ifft(cut * response))
        envelope = (envelope + NO_VIBRATION).sqrt()
        low, high = (10 ** (db / 10) for db in ear_model.COMPRESSED_DB_SPL)
        expansion = [[band.expansion] for band in group.bands]
        expansion = torch.tensor(expansion).to(control)
        gain = ((control.clamp(low, high) / low).log() * expansion).exp()
        return self._filtered(gain, "compressor") * envelope

    def _firing(self, group, vibration):
        """Return adapted and smoothed rates.

        [batch, bands, frames]
        """
        excitation_db = 20 * vibration.clamp(min=1).log10()
        firing = self._filtered(excitation_db, "adaptation").relu()
        smooth = self._filtered(firing, "smoother", self._frames)
        return smooth / group.multiple

    def _filtered(self, signal, name, points=None):
        """Filter real signals, and resample them to a number of points."""
        spectrum = torch.fft.rfft(signal)
        points = points or signal.shape[-1]
        bins = points // 2 + 1
        response = _inner_ear(name, self._size, bins)
        response = torch.from_numpy(response).to(spectrum)
        return torch.fft.irfft(spectrum[..., :bins] * response, points)


def _power(spectrum):
    return spectrum.real.square() + spectrum.imag.square()


def _pole(width_hz):
    """Return the fourfold poles of gammatone filters of a width in ERB."""
    scale = -2 * np.pi * ear_model.BANDWIDTH_OF_GAMMATONE / EAR_RATE
    return (scale * width_hz).exp()


def _gammatone(pole, delay):
    """Return the response of gammatone filters at baseband, and its slope.

    Arguments
    ---------
    pole : torch.Tensor
        [..., bands].
    delay : torch.Tensor
        [bands, bins], complex, response of one sample's delay.

    Returns
    -------
    response, slope : torch.Tensor
        [..., bands, bins], complex; the latter is the derivative by the pole.
    """
    pole = pole[..., None]
    late = pole * delay
    feedback = 1 / (1 - late)
    zeros = 1 + 4 * late * (1 + late)
    squared = feedback * feedback
    gain = 2 * (1 - pole) ** 4 / (1 + 2 * pole) ** 2
    response = gain * zeros * squared * squared
    relative = 4 * delay * ((1 + 2 * late) / zeros + feedback)
    slope = response * (relative - 4 / (1 - pole) - 4 / (1 + 2 * pole))
    return response, slope


def _response(coefficients, bins, size):
    """Return the response of a filter at 24 kHz in the first of its bins."""
    return freqz(*coefficients, worN=2 * np.pi / size * np.arange(bins))[1]


@lru_cache(maxsize=16)
def _outer_ear(size):
    """Return responses of the resampling and of the middle ear.

    Arguments
    ---------
    size : int
        Of transforms at 24 kHz.

    Returns
    -------
    tuple of numpy.ndarray
        [size / 3 + 1] each, complex, up to 8 kHz. The resampling has no delay.
    """
    bins = size // 3 + 1
    resampling = np.abs(np.fft.rfft(lowpass(), DOWN * size)[:bins])
    low = _response(butter(1, 5000, fs=EAR_RATE), bins, size)
    high = _response(butter(2, 350, "high", fs=EAR_RATE), bins, size)
    return resampling, low * high


@lru_cache(maxsize=64)
def _inner_ear(name, size, bins):
    """Return the response of a filter of the inner ear.

    Arguments
    ---------
    name : str
        "compressor", "adaptation" or "smoother".
    size : int
        Of transforms at 24 kHz.
    bins : int
        How many of them are needed, from 0 Hz up.

    Returns
    -------
    numpy.ndarray
        [bins], complex.
    """
    if name == "compressor":
        return _response(ear_model.compressor_lowpass(), bins, size)
    if name == "adaptation":
        return _response(ear_model.adaptation(), bins, size)
    taps = ear_model.smoother()
    centre = (len(taps) - 1) / 2
    advance = np.exp(2j * np.pi / size * np.arange(bins) * centre)
    return _response((taps, 1), bins, size) * advance
