"""Causal enhancement of a stream, chunk by chunk, with a constant delay.

What comes out is what ``SpeechEnhancement.enhance`` makes of the whole stream,
to rounding (1e-5), in memory that grows with the longest chunk only.

The delay follows from the transform.  Frame t is centred on sample 256 t and
512 long, so it ends with sample 256 t + 255.  Samples 256 j to 256 j + 255 of
the output are the overlap of frames j and j + 1, and hence final once input
sample 256 j + 511 is there: the first of them waits for 511 more, 31.9 ms at
16 kHz.  The network adds none, for mask t depends on frames up to t only.
"""

import math

import numpy as np
import torch
from speechbrain.processing.features import spectral_magnitude

from okd_brain.generators import CausalLSTMGenerator
from okd_brain.signals import N_FFT, SAMPLE_RATE, SpectralAnalysis

MAX_DELAY_MS = 1000 * (N_FFT - 1) / SAMPLE_RATE

# Beyond it, 300 dB above full scale, float32 cannot hold a power spectrum.
PEAK_LIMIT = 1e15


class StreamingEnhancer:
    """Enhance one channel at 16 kHz as it arrives.

    After m samples have gone in, m - ``delay_samples`` have come out (none
    before that), whatever the chunks; ``flush`` gives the rest.  So the output
    is as long as the input, and in step with it.

    Arguments
    ---------
    generator : CausalLSTMGenerator
        In evaluation mode, on any device.  Enhancers may share one: all that
        they remember of their streams is their own.
    sample_rate : int
        Rate of the stream in Hz: 16000, which the generators are made for.
    chunk_samples : int
        A number that the length of every chunk is a multiple of.  The more
        factors of 2 it has, the shorter the delay: 512 - gcd(chunk_samples,
        256) samples, from 511 for chunks of any length to 256 (16 ms) for
        multiples of 256.  Chunks of other lengths are still taken, but some
        samples then come out later than that.

    Raises
    ------
    ValueError
        If the generator is not causal or in training mode, the rate is not
        16 kHz, or ``chunk_samples`` is not a positive integer.

    Example
    -------
    >>> enhancer = StreamingEnhancer(CausalLSTMGenerator().eval())
    >>> enhancer.delay_samples, enhancer.delay_ms
    (511, 31.9375)
    >>> [len(enhancer.process(chunk)) for chunk in torch.randn(5, 160)]
    [0, 0, 0, 129, 160]
    >>> len(enhancer.flush())
    511
    """

    def __init__(self, generator, sample_rate=SAMPLE_RATE, *, chunk_samples=1):
        if not isinstance(generator, CausalLSTMGenerator):
            raise ValueError(
                "Streaming needs a causal generator (CausalLSTMGenerator); a "
                f"{type(generator).__name__} hears the future. Train one with "
                "generator: !name:okd_brain.generators.CausalLSTMGenerator"
            )
        if generator.training:
            raise ValueError(
                "The generator is in training mode, where dropout makes its "
                "output random. Call its eval() first."
            )
        if sample_rate != SAMPLE_RATE:
            raise ValueError(
                f"A stream must be at {SAMPLE_RATE} Hz; got {sample_rate} Hz. "
                "Resample it before it is cut into chunks (ffmpeg: -ar "
                f"{SAMPLE_RATE}); waves.enhance_wave takes recordings of any "
                "rate."
            )
        if not isinstance(chunk_samples, int) or chunk_samples < 1:
            raise ValueError(
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
        """Forget the stream, so that the next sample is the first of another."""
        self._received = 0  # samples
        self._returned = 0  # samples
        self._flushed = False
        # From where the next frame starts; the first is centred on sample 0.
        self._pending = torch.zeros(self._hop, device=self._device)
        self._memory = None
        self._overlap = None  # second half of the last frame, windowed
        self._final = torch.zeros(0)  # enhanced, not yet returned

    @torch.no_grad()
    def process(self, chunk):
        """Take the next samples and return those that are due.

        Arguments
        ---------
        chunk : torch.Tensor or numpy.ndarray
            [samples], float, full scale 1; any number of samples, also none.
            It is copied.

        Returns
        -------
        torch.Tensor
            [samples], float32, on the CPU: as many as went in, less what the
            delay holds back at the start.  Peaks may exceed 1.

        Raises
        ------
        ValueError
            If the chunk is not 1-D, not float, or holds a sample that is not
            finite (or absurdly large): nothing of it is taken then, and the
            stream goes on with the next chunk.  Also after ``flush``.
        """
        self._check_open()
        chunk = self._checked(chunk)
        self._received += len(chunk)
        self._enhance(chunk)
        due = self._received - self.delay_samples - self._returned
        return self._release(max(0, due))

    @torch.no_grad()
    def flush(self):
        """End the stream and return what is left of it.

        Returns
        -------
        torch.Tensor
            [samples], float32; with what ``process`` returned, as many as went
            in.  Only ``reset`` may follow.

        Raises
        ------
        ValueError
            If the stream has been flushed already.
        """
        self._check_open()
        self._flushed = True
        if self._received:
            # The last frame of a centred transform ends in zeros, and nothing
            # overlaps with its second half.
            rest = self._received % self._hop
            zeros = torch.zeros(self._hop - rest, device=self._device)
            self._enhance(zeros)
            end = self._overlap[:rest] / self._end_weight[:rest]
            self._final = torch.cat([self._final, end.cpu()])
        return self._release(len(self._final))

    def _check_open(self):
        if self._flushed:
            raise ValueError(
                "The stream has been flushed; reset() starts another."
            )

    def _checked(self, chunk):
        """Return a chunk as float32, where the generator is."""
        if isinstance(chunk, np.ndarray):
            chunk = chunk.copy()  # torch takes no read-only arrays
        samples = torch.as_tensor(chunk)
        if samples.ndim != 1 or not samples.is_floating_point():
            raise ValueError(
                "A chunk is [samples] of one channel, float with full scale 1; "
                f"got {samples.dtype} of shape {tuple(samples.shape)}."
            )
        good = samples.abs() < PEAK_LIMIT  # false for NaN, too
        if not good.all():
            place = int(good.logical_not().nonzero()[0])
            raise ValueError(
                "A stream must be finite, with full scale 1; sample "
                f"{self._received + place} is {samples[place]:g}. The chunk "
                "was not taken."
            )
        return samples.to(self._device, torch.float32)

    def _enhance(self, samples):
        """Append samples to the input, and to the output what they complete."""
        self._pending = torch.cat([self._pending, samples])
        if len(self._pending) < N_FFT:
            return
        spectrum = torch.stft(
            self._pending,
            N_FFT,
            self._hop,
            window=self._window,
            center=False,
            return_complex=True,
        ).T
        self._pending = self._pending[len(spectrum) * self._hop :]
        magnitude = spectral_magnitude(torch.view_as_real(spectrum), power=0.5)
        noisy = torch.log1p(magnitude)
        mask, self._memory = self.generator.step(noisy[None], self._memory)
        enhanced = torch.expm1(mask[0] * noisy)
        frames = torch.fft.irfft(torch.polar(enhanced, spectrum.angle()))
        firsts, seconds = (self._window * frames).split(self._hop, dim=1)
        if self._overlap is None:
            firsts = firsts[1:]  # before the first sample of the stream
        else:
            seconds = torch.cat([self._overlap[None], seconds])
        self._overlap = seconds[-1]
        complete = (firsts + seconds[:-1]) / self._weight
        self._final = torch.cat([self._final, complete.flatten().cpu()])

    def _release(self, count):
        """Return so many of the final samples, or as many as there are."""
        released, self._final = self._final[:count], self._final[count:]
        self._returned += len(released)
        return released
