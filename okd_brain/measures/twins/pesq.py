"""A differentiable wide-band PESQ (ITU-T P.862 and P.862.2).

Follows the psychoacoustic model of P.862 (2001) step by step: level
alignment within 350 to 3250 Hz, the input filter of P.862.2, 32 ms frames,
Bark bands, compensation of the frequency response and of the gain, Zwicker
loudness, symmetric and asymmetric disturbance, and their norms over bands
(2 and 1), syllables (6) and time (2). The quantities that choose (which
frames are silent, where the speech begins and ends, which bands are audible)
are those of the recommendation and carry no gradient.

What differs from the recommendation, and why:

* There is no alignment of utterances in time: an enhanced signal has the
  delay of its reference. P.862 finds that too, with few exceptions: in 19 of
  540 variants, of two of 30 noisy utterances, it moved a short last utterance,
  mostly by 0.4 s, with a confidence of 0.11 to 0.15 (all other delays have 0.33
  or more), and did not count what then overlapped. Such a score is up to 0.19
  higher than the twin's; to follow it would reward noise. Stretches of bad
  frames are aligned anew, as in P.862; the delays found are taken as given.
* The disturbance of a frame is bounded at 45 in value, but ``WORST_FRAME_LEAK``
  of its gradient remains: in loud noise most frames are there. Thirty steps
  of Adam on the masks of mixtures at 0 and -5 dB reach a PESQ of 2.39 with
  and of 2.18 without it, of mixtures at 0 to 15 dB 3.25 and 3.17.
* Files of more than 16 s weight their frames equally. The weights of P.862
  stay within 3.4 % of each other up to 19 s, beyond which a signal is cut.
* The power that aligns the level has a floor 80 dB below the reference, and
  below it the score falls to the worst: muting is not to be rewarded, and the
  metric gives silence its worst score by rule.

Signals longer than 19 s are cut where ``wideband_pesq`` cuts them, and have
the mean of their pieces as it does.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import pad
from torch.nn.utils.rnn import pad_sequence

from okd_brain.measures.twins.base import ALL, Twin, power_spectrum
from okd_brain.measures.twins.pesq_bands import (
    FRAME,
    HEARING_THRESHOLD,
    HOP,
    LOUDNESS_CALIBRATION,
    WIDTH_BARK,
    band_matrix,
    loudness_exponent,
)
from okd_brain.measures.twins.pesq_realignment import (
    bad_intervals,
    realigned_frames,
)
from okd_brain.measures.wideband_pesq import (
    PERFECT,
    PIECE_SECONDS,
    SAMPLE_RATE,
    WORST,
    pieces,
)

TRAILING_SAMPLES = 5120  # of silence, counted in the means of P.862
RAMP = 16  # samples of fade-in and fade-out before the input filter
TARGET_POWER = 1e7
POWER_FLOOR = 1e-8  # relative to the reference: -80 dB
LEAST_POWER = 1e-18  # full scale 1: -180 dB, for silent references
INPUT_FILTER = (  # of P.862.2 at 16 kHz, numerator and denominator
    (2.740826, -5.4816519, 2.740826),
    (1.0, -1.9444777, 0.94597794),
)

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
WORST_FRAME_LEAK = 0.1  # of the gradient beyond; ours, see above
BAD_FRAME = 30.0  # disturbance from which on a stretch is aligned anew
SYLLABLE, SYLLABLE_HOP = 20, 10  # frames
SYLLABLE_NORM = 6
SYMMETRIC_WEIGHT, ASYMMETRIC_WEIGHT = 0.1, 0.0309
BEST_RAW = 4.5
MAPPING = (0.999, 4.0, 1.3669, 3.8224)  # P.862.2


class PESQHalf(NamedTuple):
    """The reference's half of a batch's scores.

    Signals longer than 19 s are several pieces each.

    Arguments
    ---------
    cuts : list of tuple
        Item, first sample and end of each piece.
    filtered : torch.Tensor
        ``[pieces, samples]``, after level alignment and input filter.
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

    cuts: list
    filtered: torch.Tensor
    item: torch.Tensor
    weight: torch.Tensor
    power: torch.Tensor
    frames: torch.Tensor
    bark: torch.Tensor
    counted: torch.Tensor
    speaking: torch.Tensor
    syllables: torch.Tensor
    in_syllable: torch.Tensor


class PESQTwin(Twin):
    """Score waves as ``okd_brain.measures.scores.pesq`` does.

    Scores are MOS-LQO within [0.999, 4.644] and do not depend on a gain of
    either signal.

    Arguments
    ---------
    sample_rate : int
        16000 Hz is accepted.

    Example
    -------
    >>> time = torch.arange(16000) / 16000
    >>> clean = (torch.sin(3000 * time) * torch.sin(20 * time))[None]
    >>> softer = 0.9 * clean + 0.1 * clean.clamp(-0.5, 0.5)
    >>> twin = PESQTwin()
    >>> [round(float(twin(clean, wave)), 2) for wave in (clean, softer)]
    [4.64, 2.7]
    """

    name = "PESQ"
    floor, best = WORST, PERFECT

    def __init__(self, sample_rate=SAMPLE_RATE):
        super().__init__(sample_rate)
        self._keep(
            _window=np.hanning(FRAME + 1)[:-1],
            _bands=band_matrix(),
            _width=WIDTH_BARK,
            _threshold=HEARING_THRESHOLD,
            _exponent=loudness_exponent(),
        )

    def half_of(self, reference, lengths):
        """Return the reference's half, and which items have a score."""
        cuts = _cuts(reference, lengths.tolist())
        waves, sizes = _pieces(reference, cuts)
        power, filtered = _filtered(waves, sizes)
        bark = self._bark(_frames(filtered))
        first, last = _speech_frames(filtered, sizes)
        frame = torch.arange(bark.shape[1], device=bark.device)
        counted = frame <= last[:, None]
        loudest = self._audible(bark, CLEARLY_AUDIBLE).sum(-1)
        speaking = counted & (loudest >= SILENT_FRAME_POWER)
        syllables = first[:, None, None] + _syllable_offsets(bark)
        half = PESQHalf(
            cuts,
            filtered,
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
        return half, ALL

    def compare(self, half, degraded, lengths):
        """Return the scores, [items]; see ``Twin``."""
        waves, sizes = _pieces(degraded, half.cuts)
        floor = POWER_FLOOR * half.power
        power, filtered = _filtered(waves, sizes, floor)
        audible = power / (power + floor + LEAST_POWER)
        opinion = WORST + audible * (self._opinion(half, filtered) - WORST)
        scores = opinion.new_zeros(len(degraded))
        return scores.index_add(0, half.item, half.weight * opinion)

    def _opinion(self, half, filtered):
        """Return the MOS-LQO of filtered pieces, ``[pieces]``."""
        reference = half.bark
        degraded = self._bark(_frames(filtered))
        # The reference gets the degraded signal's frequency response.
        ours, theirs = (
            self._speech_power(bark, half.speaking) / half.frames
            for bark in (reference, degraded)
        )
        response = (theirs + RESPONSE_OFFSET) / (ours + RESPONSE_OFFSET)
        reference = reference * response.clamp(*RESPONSE_RANGE)[:, None]
        power = self._audible(reference, 1.0).sum(-1)

        disturbances = self._disturbances(reference, degraded)
        bad = disturbances[0].detach() > BAD_FRAME
        intervals = bad_intervals(bad & half.counted, half.counted)
        if intervals:
            place, shifted, inside = realigned_frames(
                half.filtered, filtered, intervals
            )
            again = self._disturbances(
                reference[place], self._bark(shifted), first_gain=1.0
            )
            place = tuple(index[inside] for index in place)
            disturbances = [
                first.index_put(place, first[place].minimum(second[inside]))
                for first, second in zip(disturbances, again, strict=True)
            ]

        ease = ((power + LOUD_OFFSET) / LOUD_SCALE) ** LOUD_POWER
        symmetric, asymmetric = (
            _time_norm(_bounded(frames / ease), half) for frames in disturbances
        )
        raw = SYMMETRIC_WEIGHT * symmetric + ASYMMETRIC_WEIGHT * asymmetric
        lowest, height, slope, offset = MAPPING
        return lowest + height * torch.sigmoid(
            slope * (BEST_RAW - raw) - offset
        )

    def _disturbances(self, reference, degraded, first_gain=None):
        """Return symmetric and asymmetric disturbance, ``[pieces, frames]``.

        Of powers, ``[pieces, frames, 49]``. ``first_gain`` is the gain before
        the first frame; None is the first frame's own.
        """
        # The degraded signal gets the reference's gain, frame by frame.
        ours, theirs = (
            self._audible(bark, 1.0).sum(-1) + GAIN_OFFSET
            for bark in (reference, degraded)
        )
        gain = _smooth(ours / theirs, first_gain).clamp(*GAIN_RANGE)
        degraded = degraded * gain[..., None]
        ours, theirs = self._loudness(reference), self._loudness(degraded)
        masked = DEADZONE * torch.minimum(ours, theirs)
        disturbance = ((theirs - ours).abs() - masked).clamp(min=0)
        added = (degraded + ASYMMETRY_OFFSET) / (reference + ASYMMETRY_OFFSET)
        added = (added**ASYMMETRY_POWER).clamp(max=ASYMMETRY_MOST)
        added = torch.where(added < ASYMMETRY_LEAST, 0.0, added)
        return (
            self._band_norm(disturbance, 2),
            self._band_norm(disturbance * added, 1),
        )

    def _bark(self, frames):
        """Return powers in the Bark bands, ``[pieces, frames, 49]``."""
        power = power_spectrum(frames * self._window.to(frames), FRAME)
        return power @ self._bands.to(frames)

    def _audible(self, bark, factor):
        """Keep powers above the threshold of hearing; drop the first band."""
        bark, threshold = bark[..., 1:], self._threshold[1:].to(bark)
        return torch.where(bark > factor * threshold, bark, 0.0)

    def _speech_power(self, bark, speaking):
        """Sum the power of the bands over the speech; return ``[pieces, 49]``."""
        threshold = CLEARLY_AUDIBLE * self._threshold.to(bark)
        return torch.where(speaking & (bark > threshold), bark, 0.0).sum(1)

    def _loudness(self, bark):
        """Return Zwicker's loudness, 0 below the threshold of hearing."""
        threshold = self._threshold.to(bark)
        exponent = self._exponent.to(bark)
        excess = (bark / threshold).clamp(min=1)
        scale = LOUDNESS_CALIBRATION * (2 * threshold) ** exponent
        return scale * ((0.5 + 0.5 * excess) ** exponent - 1)

    def _band_norm(self, values, norm):
        """Return P.862's weighted norm of the bands, ``[pieces, frames]``."""
        width = self._width[1:].to(values)
        total = width.sum()
        length = torch.linalg.vector_norm(values[..., 1:] * width, norm, -1)
        return length * total ** (1 - 1 / norm)


def _cuts(reference, lengths):
    """Return item, start and end of every piece scored by itself."""
    cuts = []
    for item, length in enumerate(lengths):
        parts = [slice(0, length)]
        if length > PIECE_SECONDS * SAMPLE_RATE:
            parts = pieces(reference[item, :length].cpu().numpy())
        cuts += [(item, part.start, part.stop) for part in parts]
    return cuts


def _pieces(signals, cuts):
    """Return pieces, zero beyond their sizes, and the sizes."""
    waves = [signals[item, start:stop] for item, start, stop in cuts]
    sizes = torch.tensor([len(wave) for wave in waves], device=signals.device)
    return pad_sequence(waves, batch_first=True), sizes


def _shares(cuts, power):
    """Return each piece's share in its item's score, by duration.

    As in ``wideband_pesq``, a silent piece has none beside others.
    """
    items = torch.tensor([item for item, _, _ in cuts], device=power.device)
    size = torch.tensor([stop - start for _, start, stop in cuts]).to(power)
    size = torch.where(power > LEAST_POWER, size, 1e-9 * size)
    total = size.new_zeros(int(items[-1]) + 1).index_add(0, items, size)
    return size / total[items]


def _filtered(waves, sizes, floor=0.0):
    """Align the level of waves and apply the input filter.

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
        ``[pieces]``, from 350 to 3250 Hz, before the alignment.
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
        output = pad(output, (0, max(0, waves.shape[1] - fft_size)))
        outputs.append(output[:, : waves.shape[1]])
        order += rows
    places = torch.tensor(order, device=waves.device).argsort()
    power = torch.cat(powers)[places] / (sizes + TRAILING_SAMPLES)
    scale = TARGET_POWER**0.5 * (power + floor + LEAST_POWER).rsqrt()
    filtered = torch.cat(outputs)[places] * scale[:, None]
    return power, torch.where(edge > 0, filtered, 0.0)


@lru_cache(maxsize=16)
def _responses(fft_size, dtype, device):
    """Return weights of the power from 350 to 3250 Hz, and the filter."""
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


def _frames(filtered):
    """Cut waves into frames, up to the last that can hold speech."""
    count = (filtered.shape[1] + 4) // HOP
    missing = (count - 1) * HOP + FRAME - filtered.shape[1]
    return pad(filtered, (0, max(missing, 0))).unfold(1, FRAME, HOP)


def _speech_frames(filtered, sizes):
    """Return the first and last frame of the speech, ``[pieces]`` each.

    Speech is where the magnitudes of five samples in a row reach a sum. It is
    sought from each end through at most half of P.862's buffer, which has
    4800 samples more on both sides and 5120 at the end.
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
    """Return frames of syllables relative to the speech, ``[n, 20]``."""
    starts = torch.arange(0, bark.shape[1], SYLLABLE_HOP, device=bark.device)
    return starts[:, None] + torch.arange(SYLLABLE, device=bark.device)


def _smooth(gain, before=None):
    """Average gains recursively; ``before`` is the gain before the first."""
    taps = torch.arange(GAIN_TAPS, -1, -1, device=gain.device)
    weight = (1 - GAIN_MEMORY) * GAIN_MEMORY**taps
    past = gain[:, :1].expand(-1, GAIN_TAPS)
    if before is not None:
        past = torch.full_like(past, before)
    gain = torch.cat([past, gain], 1)
    return gain.unfold(1, GAIN_TAPS + 1, 1) @ weight.to(gain)


def _bounded(frames):
    """Bound disturbances, keeping a part of the gradient."""
    kept = WORST_FRAME_LEAK * (frames - frames.detach())
    kept = torch.where(frames > WORST_FRAME, kept, 0.0)
    return frames.clamp(max=WORST_FRAME) + kept


def _time_norm(frames, half):
    """Return the norm 6 over syllables and 2 over time, ``[pieces]``."""
    values = frames.gather(1, half.syllables.flatten(1))
    values = values.view_as(half.syllables)
    values = torch.where(half.in_syllable, values, 0.0)
    syllable = torch.linalg.vector_norm(values, SYLLABLE_NORM, -1)
    syllable = syllable * SYLLABLE ** (-1 / SYLLABLE_NORM)
    count = half.in_syllable[..., 0].sum(1).clamp(min=1)
    return torch.linalg.vector_norm(syllable, 2, -1) / count.sqrt()
