"""Causal enhancement of a stream, chunk by chunk, with a constant delay.

What comes out is what ``SpeechEnhancement.enhance`` makes of the whole stream,
to rounding (1e-5), in memory that grows with the longest chunk only.  The delay
is that of the transform (``frame_stream``): the network adds none, for mask t
depends on frames up to t only.
"""

import torch
from speechbrain.processing.features import spectral_magnitude

from okd_brain.generators import CausalLSTMGenerator
from okd_brain.signals import SAMPLE_RATE
from okd_brain.streaming.frames import FrameStream


class StreamingEnhancer(FrameStream):
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
        super().__init__(generator, sample_rate, chunk_samples)

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
        return self._take(chunk)

    def _changed(self, spectra):
        spectrum = spectra[0]
        magnitude = spectral_magnitude(torch.view_as_real(spectrum), power=0.5)
        noisy = torch.log1p(magnitude)
        mask, self._memory = self.generator.step(noisy[None], self._memory)
        return torch.polar(torch.expm1(mask[0] * noisy), spectrum.angle())
