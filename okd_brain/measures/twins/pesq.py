"""A differentiable wide-band PESQ (ITU-T P.862 and P.862.2).

Follows the psychoacoustic model of P.862 (2001) step by step: level
alignment within 350 to 3250 Hz, the input filter of P.862.2, 32 ms frames,
Bark bands, compensation of the frequency response and of the gain, Zwicker
loudness, symmetric and asymmetric disturbance, and their norms over bands
(2 and 1), syllables (6) and time (2). The quantities that choose (which
frames are silent, where the speech begins and ends, which bands are audible)
are those of the recommendation and carry no gradient.

What differs from the recommendation, and why:

* There is no alignment in time. It finds delays by searching, which has no
  gradient, and an enhanced signal has the delay of its reference. Hence
  stretches of bad frames are not realigned either.
* Files of more than 16 s weight their frames equally. The weights of P.862
  stay within 3.4 % of each other up to 19 s, beyond which a signal is cut.
* The power that aligns the level has a floor 80 dB below the reference, so
  that silence has a finite score and a gradient of zero.

Signals longer than 19 s are cut where ``wideband_pesq`` cuts them, and have
the mean of their pieces as it does.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from okd_brain.measures.twins.padded import (
    check_batch,
    check_degraded,
    check_rate,
    read_lengths,
)
from okd_brain.measures.wideband_pesq import (
    PIECE_SECONDS,
    SAMPLE_RATE,
    pieces,
)

MIN_SAMPLES = SAMPLE_RATE // 4  # P.862's shortest signal

FRAME = 512
HOP = 256
TRAILING_SAMPLES = 5120  # of silence, counted in the means of P.862
RAMP = 16  # samples of fade-in and fade-out before the input filter
TARGET_POWER = 1e7
POWER_FLOOR = 1e-8  # relative to the reference: -80 dB
SILENT_REFERENCE_POWER = 1e-20  # full scale 1: far below any recording
INPUT_FILTER = (  # of P.862.2 at 16 kHz, numerator and denominator
    (2.740826, -5.4816519, 2.740826),
    (1.0, -1.9444777, 0.94597794),
)

# Bark bands at 16 kHz, P.862's tables.
BINS = (
    [1] * 8 + [2] + [1] * 5 + [2, 1, 1] + [2] * 8 + [3, 3, 3, 3, 4, 3, 4, 5]
    + [4, 5, 6, 6, 7, 8, 9, 9, 12, 12, 15, 16, 18, 21, 25, 20]
)  # fmt: skip
WIDTH_BARK = (
    [0.157344, 0.317994, 0.322441, 0.326934, 0.331474, 0.336061, 0.340697]
    + [0.345381, 0.350114, 0.354897, 0.359729, 0.364611, 0.369544, 0.374529]
    + [0.379565, 0.384653, 0.389794, 0.394989, 0.400236, 0.405538, 0.410894]
    + [0.416306, 0.421773, 0.427297, 0.432877, 0.438514, 0.444209, 0.449962]
    + [0.455774, 0.461645, 0.467577, 0.473569, 0.479621, 0.485736, 0.491912]
    + [0.498151, 0.504454, 0.510819, 0.517250, 0.523745, 0.530308, 0.536934]
    + [0.543629, 0.550390, 0.557220, 0.564119, 0.571085, 0.578125, 0.585232]
)
POWER_CORRECTION = (
    [100.0, 99.999992, 100.0, 100.000008, 100.000008, 100.000015, 99.999992]
    + [99.999969, 50.000027, 100.0, 99.999969, 100.000015, 99.999947]
    + [100.000061, 53.047077, 110.000046, 117.991989, 65.0, 68.760147]
    + [69.999931, 71.428818, 75.000038, 76.843384, 80.968781, 88.646126]
    + [63.864388, 68.155350, 72.547775, 75.584831, 58.379192, 80.950836]
    + [64.135651, 54.384785, 73.821884, 64.437073, 59.176456, 65.521278]
    + [61.399822, 58.144047, 57.004543, 64.126297, 54.311001, 61.114979]
    + [55.077751, 56.849335, 55.628868, 53.137054, 54.985844, 79.546974]
)
HEARING_THRESHOLD = (  # power
    [51286152.0, 2454709.5, 70794.59375, 4897.788574, 1174.897705, 389.045166]
    + [104.712860, 45.708820, 17.782795, 9.772372, 4.897789, 3.090296]
    + [1.905461, 1.258925, 0.977237, 0.724436, 0.562341, 0.457088, 0.389045]
    + [0.331131, 0.295121, 0.269153, 0.257040, 0.251189, 0.251189, 0.251189]
    + [0.251189, 0.263027, 0.288403, 0.309030, 0.338844, 0.371535, 0.398107]
    + [0.436516, 0.467735, 0.489779, 0.501187, 0.501187, 0.512861, 0.524807]
    + [0.524807, 0.524807, 0.512861, 0.478630, 0.426580, 0.371535, 0.363078]
    + [0.416869, 0.537032]
)
POWER_CALIBRATION = 6.910853e-6
LOUDNESS_CALIBRATION = 1.866055e-1

ZWICKER_POWER = 0.23
CLEARLY_AUDIBLE = 100.0  # times the threshold, in the long-term means
SILENT_FRAME_POWER = 1e7
SPEECH_BEGINS = 500.0  # sum of five magnitudes, where frames begin to count
RESPONSE_OFFSET, RESPONSE_RANGE = 1000.0, (0.01, 100.0)
GAIN_OFFSET, GAIN_RANGE = 5e3, (3e-4, 5.0)
GAIN_MEMORY = 0.2
GAIN_TAPS = 12  # 0.2^12 is below float32's rounding
DEADZONE = 0.25  # of the smaller loudness
ASYMMETRY_OFFSET, ASYMMETRY_POWER = 50.0, 1.2
ASYMMETRY_LEAST, ASYMMETRY_MOST = 3.0, 12.0
LOUD_OFFSET, LOUD_SCALE, LOUD_POWER = 1e5, 1e7, 0.04
WORST_FRAME = 45.0
SYLLABLE, SYLLABLE_HOP = 20, 10  # frames
SYLLABLE_NORM = 6
SYMMETRIC_WEIGHT, ASYMMETRIC_WEIGHT = 0.1, 0.0309
BEST_RAW = 4.5
MAPPING = (0.999, 4.0, -1.3669, 3.8224)  # P.862.2


class PESQReference(NamedTuple):
    """The reference's half of a batch's scores.

    Signals longer than 19 s are several pieces each.

    Arguments
    ---------
    lengths : list of int
        ``[batch]``, in samples.
    cuts : list of tuple
        Item, first sample and end of each piece.
    item, weight : torch.Tensor
        ``[pieces]``, the item each piece belongs to and its share in that
        item's score.
    power : torch.Tensor
        ``[pieces]``, within the band that aligns the level.
    frames : torch.Tensor
        ``[pieces, 1]``, their number in P.862's long-term means.
    bark : torch.Tensor
        ``[pieces, frames, 49]``, power in the Bark bands.
    counted : torch.Tensor
        ``[pieces, frames]``, bool: frames up to the end of the speech.
    speaking : torch.Tensor
        ``[pieces, frames, 1]``, bool: counted and not silent.
    syllables : torch.Tensor
        ``[pieces, syllables, 20]``, the frames of each syllable.
    in_syllable : torch.Tensor
        ``[pieces, syllables, 20]``, bool: those that are counted.
    """

    lengths: list
    cuts: list
    item: torch.Tensor
    weight: torch.Tensor
    power: torch.Tensor
    frames: torch.Tensor
    bark: torch.Tensor
    counted: torch.Tensor
    speaking: torch.Tensor
    syllables: torch.Tensor
    in_syllable: torch.Tensor


class PESQTwin(torch.nn.Module):
    """Score degraded speech with a differentiable wide-band PESQ.

    Scores do not depend on the padding, on the other items of the batch, or
    on a gain common to both signals. They are computed in float32, in float64
    where the degraded signals are float64.

    Arguments
    ---------
    sample_rate : int
        16000, in Hz.

    Raises
    ------
    ValueError
        If the sample rate is another.

    Example
    -------
    >>> time = torch.arange(16000) / 16000
    >>> clean = (torch.sin(3000 * time) * torch.sin(20 * time))[None]
    >>> softer = 0.9 * clean + 0.1 * clean.clamp(-0.5, 0.5)
    >>> twin = PESQTwin()
    >>> [round(float(twin(clean, wave)), 2) for wave in (clean, softer)]
    [4.64, 0]
    """

    def __init__(self, sample_rate=SAMPLE_RATE):
        super().__init__()
        check_rate("PESQTwin", sample_rate)
        width = torch.tensor(WIDTH_BARK, dtype=torch.float64)
        centre_bark = width.cumsum(0) - width / 2
        exponent = (6 / (centre_bark + 2)).clamp(1, 2) ** 0.15 * ZWICKER_POWER
        self._keep("_window", torch.hann_window(FRAME, dtype=torch.float64))
        self._keep("_bands", _band_matrix())
        self._keep("_width", width)
        self._keep("_threshold", torch.tensor(HEARING_THRESHOLD).double())
        self._keep("_exponent", exponent)

    def forward(self, reference, degraded, lengths=None):
        """Score a batch.

        Arguments
        ---------
        reference : torch.Tensor
            ``[batch, samples]``, clean speech at 16 kHz.
        degraded : torch.Tensor
            ``[batch, samples]``, aligned with the reference.
        lengths : torch.Tensor or list of int or None
            ``[batch]``, in samples, at least 0.25 s each; None if no item is
            padded.

        Returns
        -------
        torch.Tensor
            ``[batch]``, MOS-LQO within [0.999, 4.644], larger is better;
            differentiable with respect to ``degraded``.

        Raises
        ------
        ValueError
            If shapes or lengths do not fit.
        """
        return self.score(self.prepare(reference, lengths), degraded)

    @torch.no_grad()
    def prepare(self, reference, lengths=None):
        """Compute what depends on the reference alone.

        Arguments
        ---------
        reference : torch.Tensor
            ``[batch, samples]``
        lengths : torch.Tensor or list of int or None
            ``[batch]``, in samples.

        Returns
        -------
        PESQReference
            In the precision of the reference, at least float32.

        Raises
        ------
        ValueError
            If shapes or lengths do not fit.
        """
        check_batch(reference, "reference")
        lengths = read_lengths(reference, lengths, MIN_SAMPLES)
        with torch.autocast(reference.device.type, enabled=False):
            cuts = _cuts(reference, lengths)
            waves, sizes = _pieces(reference, cuts)
            power, filtered = _filtered(waves, sizes)
            bark = self._bark(filtered)
            first, last = _speech_frames(filtered, sizes)
            frame = torch.arange(bark.shape[1], device=bark.device)
            counted = frame <= last[:, None]
            loudest = self._audible(bark, CLEARLY_AUDIBLE).sum(-1)
            speaking = counted & (loudest >= SILENT_FRAME_POWER)
            syllables = first[:, None, None] + _syllable_offsets(bark)
            return PESQReference(
                lengths,
                cuts,
                torch.tensor([cut[0] for cut in cuts], device=bark.device),
                _shares(cuts, power),
                power,
                ((sizes + TRAILING_SAMPLES) // HOP - 1)[:, None],
                bark,
                counted,
                speaking[..., None],
                syllables.clamp(max=bark.shape[1] - 1),
                syllables <= last[:, None, None],
            )

    def score(self, prepared, degraded):
        """Score a batch against a prepared reference.

        Arguments
        ---------
        prepared : PESQReference
        degraded : torch.Tensor
            ``[batch, samples]``, of the reference's shape.

        Returns
        -------
        torch.Tensor
            ``[batch]``, MOS-LQO.

        Raises
        ------
        ValueError
            If the shape does not fit.
        """
        check_degraded(degraded, prepared.lengths)
        with torch.autocast(degraded.device.type, enabled=False):
            waves, sizes = _pieces(degraded, prepared.cuts)
            floor = POWER_FLOOR * prepared.power.to(waves)
            bark = self._bark(_filtered(waves, sizes, floor)[1])
            opinion = self._opinion(prepared, bark)
            shares = prepared.weight.to(opinion) * opinion
            return shares.new_zeros(len(degraded)).index_add(
                0, prepared.item, shares
            )

    def _opinion(self, prepared, degraded):
        """MOS-LQO of pieces from their powers in the Bark bands. [pieces]"""
        counted, speaking = prepared.counted, prepared.speaking
        reference = prepared.bark.to(degraded)
        # The reference gets the degraded signal's frequency response ...
        ours, theirs = (
            self._speech_power(bark, speaking) / prepared.frames
            for bark in (reference, degraded)
        )
        response = (theirs + RESPONSE_OFFSET) / (ours + RESPONSE_OFFSET)
        reference = reference * response.clamp(*RESPONSE_RANGE)[:, None]
        # ... and the degraded signal the reference's gain, frame by frame.
        power = self._audible(reference, 1.0).sum(-1)
        gain = (power + GAIN_OFFSET) / (
            self._audible(degraded, 1.0).sum(-1) + GAIN_OFFSET
        )
        degraded = degraded * _smooth(gain).clamp(*GAIN_RANGE)[..., None]

        ours, theirs = self._loudness(reference), self._loudness(degraded)
        difference = theirs - ours
        masked = DEADZONE * torch.minimum(ours, theirs)
        disturbance = (difference.abs() - masked).clamp(min=0)
        added = (degraded + ASYMMETRY_OFFSET) / (reference + ASYMMETRY_OFFSET)
        added = (added**ASYMMETRY_POWER).clamp(max=ASYMMETRY_MOST)
        added = torch.where(added < ASYMMETRY_LEAST, 0.0, added)

        ease = ((power + LOUD_OFFSET) / LOUD_SCALE) ** LOUD_POWER
        raw = BEST_RAW
        for weight, norm, values in (
            (SYMMETRIC_WEIGHT, 2, disturbance),
            (ASYMMETRIC_WEIGHT, 1, disturbance * added),
        ):
            frames = (self._band_norm(values, norm) / ease).clamp(
                max=WORST_FRAME
            )
            frames = torch.where(counted, frames, 0.0)
            raw = raw - weight * _time_norm(frames, prepared)
        lowest, height, slope, offset = MAPPING
        return lowest + height * torch.sigmoid(-slope * raw - offset)

    def _bark(self, filtered):
        """Powers in the Bark bands of every frame. [pieces, frames, 49]"""
        frames = max((filtered.shape[1] + 4) // HOP, 1)
        missing = (frames - 1) * HOP + FRAME - filtered.shape[1]
        frames = pad(filtered, (0, max(missing, 0))).unfold(1, FRAME, HOP)
        spectrum = torch.fft.rfft(frames * self._window.to(filtered))
        power = spectrum.real.square() + spectrum.imag.square()
        return power @ self._bands.to(filtered)

    def _audible(self, bark, factor):
        """Powers above the threshold of hearing, without the lowest band."""
        bark, threshold = bark[..., 1:], self._threshold[1:].to(bark)
        return torch.where(bark > factor * threshold, bark, 0.0)

    def _speech_power(self, bark, speaking):
        """Power of the bands, summed over the speech. [pieces, 49]"""
        threshold = CLEARLY_AUDIBLE * self._threshold.to(bark)
        return torch.where(speaking & (bark > threshold), bark, 0.0).sum(1)

    def _loudness(self, bark):
        """Zwicker's loudness in sone per Bark; 0 below the threshold."""
        threshold = self._threshold.to(bark)
        exponent = self._exponent.to(bark)
        excess = (bark / threshold).clamp(min=1)
        scale = LOUDNESS_CALIBRATION * (2 * threshold) ** exponent
        return scale * ((0.5 + 0.5 * excess) ** exponent - 1)

    def _band_norm(self, values, norm):
        """P.862's weighted norm over the bands. [pieces, frames]"""
        width = self._width[1:].to(values)
        total = width.sum()
        length = torch.linalg.vector_norm(values[..., 1:] * width, norm, -1)
        return length * total ** (1 - 1 / norm)

    def _keep(self, name, constant):
        self.register_buffer(name, constant, persistent=False)


def _cuts(reference, lengths):
    """Item, start and end of every piece that is scored by itself."""
    cuts = []
    for item, length in enumerate(lengths):
        parts = [slice(0, length)]
        if length > PIECE_SECONDS * SAMPLE_RATE:
            parts = pieces(reference[item, :length].cpu().numpy())
        cuts += [(item, part.start, part.stop) for part in parts]
    return cuts


def _pieces(signals, cuts):
    """Pieces without the batch's padding, and their sizes. [pieces, samples]"""
    if signals.dtype != torch.float64:
        signals = signals.float()
    waves = [signals[item, start:stop] for item, start, stop in cuts]
    sizes = torch.tensor([len(wave) for wave in waves], device=signals.device)
    return pad_sequence(waves, batch_first=True), sizes


def _shares(cuts, power):
    """Share of each piece in its item's score, by duration. [pieces]

    As in ``wideband_pesq``, a silent piece has none beside others.
    """
    items = torch.tensor([item for item, _, _ in cuts], device=power.device)
    size = torch.tensor([stop - start for _, start, stop in cuts]).to(power)
    size = torch.where(power > SILENT_REFERENCE_POWER, size, 1e-9 * size)
    total = size.new_zeros(int(items[-1]) + 1).index_add(0, items, size)
    return size / total[items]


def _filtered(waves, sizes, floor=0.0):
    """Power before and waves after level alignment and input filter.

    Arguments
    ---------
    waves : torch.Tensor
        ``[pieces, samples]``, zero from the size on.
    sizes : torch.Tensor
        ``[pieces]``, int.
    floor : torch.Tensor or float
        ``[pieces]``, is added to the power.

    Returns
    -------
    power : torch.Tensor
        ``[pieces]``, from 350 to 3250 Hz.
    filtered : torch.Tensor
        ``[pieces, samples]``
    """
    time = torch.arange(waves.shape[1], device=waves.device)
    edge = torch.minimum(time + 1, sizes[:, None] - time)
    waves = waves * (edge.clamp(0, RAMP) / RAMP).to(waves)
    # P.862's size, which sets the exact edges of the band: an item's score
    # would depend on its batch if all had the longest one's.
    exponents = [
        (n + TRAILING_SAMPLES - 1).bit_length() for n in sizes.tolist()
    ]
    order, powers, outputs = [], [], []
    for exponent in sorted(set(exponents)):
        rows = [row for row, own in enumerate(exponents) if own == exponent]
        fft_size = 2**exponent
        spectrum = torch.fft.rfft(waves[rows], fft_size)
        energy, response = _responses(fft_size, waves.dtype, waves.device)
        square = spectrum.real.square() + spectrum.imag.square()
        powers.append(square @ energy)
        output = torch.fft.irfft(spectrum * response, fft_size)
        outputs.append(pad(output, (0, max(0, waves.shape[1] - fft_size))))
        outputs[-1] = outputs[-1][:, : waves.shape[1]]
        order += rows
    places = torch.tensor(order, device=waves.device).argsort()
    power = torch.cat(powers)[places] / (sizes + TRAILING_SAMPLES)
    scale = (TARGET_POWER / (power + floor + SILENT_REFERENCE_POWER)).sqrt()
    filtered = torch.cat(outputs)[places] * scale[:, None]
    return power, torch.where(edge > 0, filtered, 0.0)


@lru_cache(maxsize=16)
def _responses(fft_size, dtype, device):
    """Weights of the power from 350 to 3250 Hz, and the input filter."""
    # P.862 interpolates in dB between its edges and -500 dB.
    hertz = np.arange(fft_size // 2 + 1) * SAMPLE_RATE / fft_size
    decibels = np.interp(hertz, [300, 350, 3250, 3500], [-500, 0, 0, -500])
    energy = 2 / fft_size * 10 ** (decibels / 10)  # 2: negative frequencies
    delay = np.exp(-2j * np.pi * hertz / SAMPLE_RATE)
    numerator, denominator = (
        first + second * delay + third * delay**2
        for first, second, third in INPUT_FILTER
    )
    response = torch.from_numpy(numerator / denominator).to(device)
    kind = torch.complex128 if dtype == torch.float64 else torch.complex64
    return torch.from_numpy(energy).to(device, dtype), response.to(kind)


def _speech_frames(filtered, sizes):
    """First and last frame of the reference's speech. [pieces] each

    Where the magnitudes of five samples in a row exceed a sum, searched from
    each end over at most half of P.862's buffer, which has 4800 samples more
    on both sides and 5120 at the end.
    """
    magnitude = pad(filtered.abs(), (4, 4)).unfold(1, 5, 1).sum(-1)
    loud = magnitude >= SPEECH_BEGINS
    index = torch.arange(loud.shape[1], device=loud.device)
    first = torch.where(loud, index - 4, len(index)).amin(1).clamp(min=0)
    last = torch.where(loud, index, 0).amax(1)
    reach = (sizes + 2 * 4800) // 2
    first = torch.minimum(first, reach)
    last = torch.maximum(last, sizes + TRAILING_SAMPLES - 1 - reach)
    last = torch.minimum(last, sizes + 3)
    return first // HOP, (last + 1) // HOP - 1


def _syllable_offsets(bark):
    """Frames of the syllables, from the first frame of the speech. [n, 20]"""
    starts = torch.arange(0, bark.shape[1], SYLLABLE_HOP, device=bark.device)
    return starts[:, None] + torch.arange(SYLLABLE, device=bark.device)


def _smooth(gain):
    """Recursive mean over the frames, from the first frame's gain on."""
    taps = torch.arange(GAIN_TAPS, -1, -1, device=gain.device)
    weight = (1 - GAIN_MEMORY) * GAIN_MEMORY**taps
    before = gain[:, :1].expand(-1, GAIN_TAPS)
    frames = torch.cat([before, gain], 1).unfold(1, GAIN_TAPS + 1, 1)
    return frames @ weight.to(gain)


def _time_norm(frames, prepared):
    """Norm 6 over syllables and 2 over time. [pieces]"""
    values = frames.gather(1, prepared.syllables.flatten(1))
    values = values.view_as(prepared.syllables)
    values = torch.where(prepared.in_syllable, values, 0.0)
    syllable = torch.linalg.vector_norm(values, SYLLABLE_NORM, -1)
    syllable = syllable * SYLLABLE ** (-1 / SYLLABLE_NORM)
    count = prepared.in_syllable[..., 0].sum(1).clamp(min=1)
    return torch.linalg.vector_norm(syllable, 2, -1) / count.sqrt()


def _band_matrix():
    """Matrix from a power spectrum to the Bark bands. [257, 49]"""
    band = np.repeat(np.arange(len(BINS)), BINS)
    matrix = np.zeros((FRAME // 2 + 1, len(BINS)))
    gain = POWER_CALIBRATION * np.array(POWER_CORRECTION)
    matrix[np.arange(len(band)), band] = gain[band]
    matrix[0] = 0  # P.862 leaves out the constant component
    return torch.from_numpy(matrix)
