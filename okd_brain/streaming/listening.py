"""Listening enhancement in real time: speech changed while noise comes in.

The output equals that of ``ListeningEnhancement(equal_power="frame").enhance`` for
the whole streams up to rounding (1e-5). The delay is that of the transform
(``frames``), for speech and noise alike: gains of frame t depend on frames up to t
only, and its power is kept without knowing what follows (Li and Yamagishi 2021,
eq. 10).
"""

from functools import cached_property

from okd_brain.generators import BandGainGenerator
from okd_brain.messages import UserError
from okd_brain.streaming.frames import FrameStream
from okd_brain.tasks import BandGains


class StreamingListeningEnhancer(FrameStream):
    """Enhance speech for the noise around its listener, both as they arrive.

    Speech and noise are recorded at the same time, the noise without the speech.
    Their levels matter: generators are trained on speech at -25 dBFS and hear the
    signal-to-noise ratio. Each frame keeps its power.

    The generator is a ``BandGainGenerator``. Its norms remember the whole stream,
    as they remember a sentence in training; call ``reset`` between sentences to
    stay close to that. Arguments, delay and errors are those of ``FrameStream``.

    Example
    -------
    >>> import torch
    >>> enhancer = StreamingListeningEnhancer(BandGainGenerator().eval())
    >>> enhancer.delay_samples, enhancer.delay_ms
    (511, 31.9375)
    >>> speech, noise = torch.randn(2, 800)
    >>> len(enhancer.process(speech, noise)), len(enhancer.flush())
    (289, 511)
    """

    channels = ("speech", "noise")

    @cached_property
    def _band_gains(self):
        return BandGains()

    @staticmethod
    def _check_generator(generator):
        if not isinstance(generator, BandGainGenerator):
            raise UserError(
                "Listening enhancement of streams needs a generator of band "
                "gains (BandGainGenerator), such as those of recipes/LE; got "
                f"{type(generator).__name__}."
            )

    def process(self, speech, noise):
        """Take the next samples of both; see ``FrameStream.process``."""
        return super().process(speech, noise)

    def _changed(self, spectra):
        power = spectra.abs().square()[:, None]
        bands = self._band_gains.bands(power)
        gains = self._band_gains.gains(self._step, *bands, power[0])
        return spectra[0] * gains[0].sqrt()

    def _step(self, bands):
        gains, self._memory = self.generator.step(bands, self._memory)
        return gains
