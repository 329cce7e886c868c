"""Causal speech enhancement of a stream.

The output equals that of ``SpeechEnhancement.enhance`` for the whole stream up to
rounding (1e-5). The delay is that of the transform (``frames``): the network adds
none, because mask t depends on frames up to t only.
"""

import torch
from speechbrain.processing.features import spectral_magnitude

from okd_brain.generators import CausalLSTMGenerator
from okd_brain.messages import UserError, check_share
from okd_brain.signals import SAMPLE_RATE
from okd_brain.streaming.frames import FrameStream


class StreamingEnhancer(FrameStream):
    """Enhance noisy speech as it arrives.

    The generator is a ``CausalLSTMGenerator``. Other arguments, delay and errors
    are those of ``FrameStream``.

    Arguments
    ---------
    generator : CausalLSTMGenerator
        In evaluation mode.
    sample_rate : int
        16000 Hz.
    chunk_samples : int
        See ``FrameStream``.
    dry : float
        Share of the input in the output, from 0 to 1.

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

    def __init__(
        self, generator, sample_rate=SAMPLE_RATE, *, chunk_samples=1, dry=0.0
    ):
        super().__init__(generator, sample_rate, chunk_samples=chunk_samples)
        check_share("dry", dry)
        self._dry = dry

    @staticmethod
    def _check_generator(generator):
        if not isinstance(generator, CausalLSTMGenerator):
            raise UserError(
                "Streaming needs a causal generator (CausalLSTMGenerator); a "
                f"{type(generator).__name__} hears the future. Train one with "
                "generator: !name:okd_brain.generators.CausalLSTMGenerator"
            )

    def process(self, chunk):
        """Take the next samples; see ``FrameStream.process``."""
        return super().process(chunk)

    def _changed(self, spectra):
        spectrum = spectra[0]
        magnitude = spectral_magnitude(torch.view_as_real(spectrum), power=0.5)
        noisy = torch.log1p(magnitude)
        mask, self._memory = self.generator.step(noisy[None], self._memory)
        enhanced = torch.polar(torch.expm1(mask[0] * noisy), spectrum.angle())
        if not self._dry:
            return enhanced
        return self._dry * spectrum + (1 - self._dry) * enhanced
