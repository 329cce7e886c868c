"""Short-time spectra of a stream, chunk by chunk, with a constant delay.

The delay follows from the transform. Frame t is 512 samples long and centred on
sample 256 t, so it ends with sample 256 t + 255. Samples 256 j to 256 j + 255 of
the output are the overlap of frames j and j + 1, and hence final once input
sample 256 j + 511 has arrived: the first of them waits for 511 more samples,
31.9 ms at 16 kHz. A network adds no delay if frame t of its output depends on
frames up to t only.
"""

import abc
import math

import numpy as np
import torch

from okd_brain.audio import MAX_PEAK
from okd_brain.messages import UserError
from okd_brain.signals import N_FFT, SAMPLE_RATE, SpectralAnalysis

MAX_DELAY_MS = 1000 * (N_FFT - 1) / SAMPLE_RATE


class FrameStream(abc.ABC):
    """Enhance one or more synchronous streams into one, as they arrive.

    A subclass names the streams (``channels``), refuses generators of another
    kind (``_check_generator``) and changes spectra (``_changed``).

    After m samples have gone in, m - ``delay_samples`` have come out (none while
    that is negative), whatever the chunks; ``flush`` returns the rest. So the
    output is as long as the input, and in step with it. Memory grows with the
    longest chunk only.

    Arguments
    ---------
    generator : torch.nn.Module
        In evaluation mode, on any device. Streams may share one, because all that
        is remembered of a stream is kept here.
    sample_rate : int
        Rate of the streams in Hz: 16000, which the generators are made for.
    chunk_samples : int
        A common divisor of the lengths of all chunks. The more factors of 2 it
        has, the shorter the delay: 512 - gcd(chunk_samples, 256) samples, from
        511 for chunks of any length to 256 (16 ms) for multiples of 256. Chunks
        of other lengths are still taken, but some samples then come out later.

    Raises
    ------
    UserError
        If the generator is of another kind or in training mode, the rate is not
        16 kHz, or ``chunk_samples`` is not a positive integer.
    """

    channels = ("stream",)  # names for messages

    def __init__(self, generator, sample_rate=SAMPLE_RATE, *, chunk_samples=1):
        self._check_generator(generator)
        if generator.training:
            raise UserError(
                "The generator is in training mode, where dropout would make "
                "its output random. Call its eval() first."
            )
        if sample_rate != SAMPLE_RATE:
            raise UserError(
                f"A stream must be at {SAMPLE_RATE} Hz; got {sample_rate} Hz. "
                "Resample it before it is cut into chunks (ffmpeg: -ar "
                f"{SAMPLE_RATE}); okd-enhance takes recordings of any rate."
            )
        if not isinstance(chunk_samples, int) or chunk_samples < 1:
            raise UserError(
                "chunk_samples must be an integer from 1 on; got "
                f"{chunk_samples!r}."
            )
        self.generator = generator
        analysis = SpectralAnalysis(sample_rate)
        self._hop = analysis.hop
        assert 2 * self._hop == N_FFT, "the overlap-add is of two frames"
        self._device = next(generator.parameters()).device
        self._window = analysis.stft.window.to(self._device)
        weight = self._window.square()
        self._end_weight = weight[self._hop :]  # where only one frame is
        self._weight = weight[: self._hop] + self._end_weight
        self.delay_samples = N_FFT - math.gcd(chunk_samples, self._hop)
        self.delay_ms = 1000 * self.delay_samples / sample_rate
        self.reset()

    def reset(self):
        """Start another stream with the next sample."""
        self._received = 0  # samples
        self._returned = 0  # samples
        self._flushed = False
        # From the start of the next frame; the first is centred on sample 0.
        self._pending = self._zeros(self._hop)
        self._memory = None  # of the generator
        self._overlap = None  # second half of the last frame, windowed
        self._final = torch.zeros(0)  # enhanced, not yet returned
        self._array_shape = None  # of what comes out; a tensor if None

    @torch.no_grad()
    def process(self, *chunks):
        """Take the next samples of every stream and return those that are due.

        Arguments
        ---------
        *chunks : torch.Tensor or numpy.ndarray
            [samples], float, full scale 1, one for each of ``channels``; any
            number of samples, also none, but the same in each. Arrays may be
            [samples, 1], as soundfile reads them. They are copied.

        Returns
        -------
        torch.Tensor or numpy.ndarray
            What the first chunk is, in its shape, float32, on the CPU: as many
            samples as went in, less what the delay holds back at the start. Peaks
            may exceed 1.

        Raises
        ------
        UserError
            If the chunks differ in length, or one is not of one channel, not
            float, or has a sample that is not finite or exceeds
            ``audio.MAX_PEAK``. None of them is taken
            then, and the stream goes on with the next chunks. Also after
            ``flush``.
        """
        self._check_open()
        taken = [
            self._checked(chunk, name)
            for chunk, name in zip(chunks, self.channels, strict=True)
        ]
        lengths = [len(chunk) for chunk in taken]
        if len(set(lengths)) > 1:
            raise UserError(
                f"Chunks of {' and '.join(self.channels)} must be equally long; "
                f"got {' and '.join(map(str, lengths))} samples. The chunks "
                "were not taken."
            )
        samples = torch.stack(taken)
        self._array_shape = None
        if isinstance(chunks[0], np.ndarray):
            self._array_shape = (-1, *chunks[0].shape[1:])
        self._received += samples.shape[1]
        self._append(samples)
        due = self._received - self.delay_samples - self._returned
        return self._release(max(0, due))

    @torch.no_grad()
    def flush(self):
        """End the stream and return the rest of it; only ``reset`` may follow.

        Returns
        -------
        torch.Tensor or numpy.ndarray
            What ``process`` has held back, as it returned the rest.

        Raises
        ------
        UserError
            If the stream has been flushed already.
        """
        self._check_open()
        self._flushed = True
        if self._received:
            # The last frame of a centred transform ends in zeros, and nothing
            # overlaps with its second half.
            rest = self._received % self._hop
            self._append(self._zeros(self._hop - rest))
            end = self._overlap[:rest] / self._end_weight[:rest]
            self._final = torch.cat([self._final, end.cpu()])
        return self._release(len(self._final))

    @staticmethod
    @abc.abstractmethod
    def _check_generator(generator):
        """Raise a UserError if this generator is of another kind."""

    @abc.abstractmethod
    def _changed(self, spectra):
        """Return enhanced frames, [frames, 257], complex64.

        ``spectra`` are the next frames, [channels, frames, 257], complex64;
        ``_memory`` is what the generator remembers of those before.
        """

    def _check_open(self):
        if self._flushed:
            raise UserError(
                "The stream has been flushed; reset() starts another."
            )

    def _checked(self, chunk, name):
        """Return a chunk as float32, where the generator is."""
        if not isinstance(chunk, (np.ndarray, torch.Tensor)):
            raise UserError(
                f"A chunk of the {name} is a torch.Tensor or a numpy.ndarray; "
                f"got {type(chunk).__name__}."
            )
        if isinstance(chunk, np.ndarray):
            chunk = chunk.copy()  # torch takes no read-only arrays
            if chunk.ndim == 2 and chunk.shape[1] == 1:
                chunk = chunk[:, 0]
        samples = torch.as_tensor(chunk)
        if samples.ndim != 1 or not samples.is_floating_point():
            raise UserError(
                f"A chunk of the {name} is [samples] of one channel, float "
                f"with full scale 1; got {samples.dtype} of shape "
                f"{tuple(samples.shape)}."
            )
        good = samples.abs() <= MAX_PEAK  # false for NaN, too
        if not good.all():
            place = int(good.logical_not().nonzero()[0])
            raise UserError(
                f"The {name} must be finite, with full scale 1; sample "
                f"{self._received + place} is {samples[place]:g}. The chunk "
                "was not taken."
            )
        return samples.to(self._device, torch.float32)

    def _append(self, samples):
        """Append samples to the input, and what they complete to the output."""
        self._pending = torch.cat([self._pending, samples], dim=1)
        if self._pending.shape[1] < N_FFT:
            return
        spectra = torch.stft(
            self._pending,
            N_FFT,
            self._hop,
            window=self._window,
            center=False,
            return_complex=True,
        ).transpose(1, 2)
        self._pending = self._pending[:, spectra.shape[1] * self._hop :]
        frames = torch.fft.irfft(self._changed(spectra))
        firsts, seconds = (self._window * frames).split(self._hop, dim=1)
        if self._overlap is None:
            firsts = firsts[1:]  # before the first sample of the stream
        else:
            seconds = torch.cat([self._overlap[None], seconds])
        self._overlap = seconds[-1]
        complete = (firsts + seconds[:-1]) / self._weight
        self._final = torch.cat([self._final, complete.flatten().cpu()])

    def _release(self, count):
        """Return this many of the final samples, or as many as there are."""
        released, self._final = self._final[:count], self._final[count:]
        self._returned += len(released)
        if self._array_shape is None:
            return released
        return released.numpy().reshape(self._array_shape)

    def _zeros(self, samples):
        return torch.zeros(len(self.channels), samples, device=self._device)
