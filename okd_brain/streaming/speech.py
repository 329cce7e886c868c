"""Causal speech enhancement of a stream.

The output equals that of ``SpeechEnhancement.enhance`` for the whole stream up to
rounding (1e-5). The delay is that of the transform (``frames``): the network adds
none, because mask t depends on frames up to t only.
"""

import torch
from speechbrain.processing.features import spectral_magnitude

from okd_brain.generators import CausalLSTMGenerator
from okd_brain.messages import UserError
from okd_brain.streaming.frames import FrameStream


class StreamingEnhancer(FrameStream):
    """Enhance noisy speech as it arrives.

    The generator is a ``CausalLSTMGenerator``. Arguments, delay and errors are
    those of ``FrameStream``.

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
        return torch.polar(torch.expm1(mask[0] * noisy), spectrum.angle())
