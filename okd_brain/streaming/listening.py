"""Listening enhancement in real time: speech changed while noise comes in.

What comes out is what ``ListeningEnhancement(equal_power="frame").enhance``
makes of the whole streams, to rounding (1e-5), in memory that grows with the
longest chunk only.  The delay is that of the transform (``frame_stream``), of
speech and noise alike: gains of frame t depend on frames up to t only, and its
power is kept without knowing what follows (Li and Yamagishi 2021, eq. 10).
"""

from okd_brain.generators import BandGainGenerator
from okd_brain.signals import SAMPLE_RATE
from okd_brain.streaming.frames import FrameStream
from okd_brain.tasks import BandGains


class StreamingListeningEnhancer(FrameStream):
    """Enhance speech for the noise around its listener, both as they arrive.

    After m samples of each have gone in, m - ``delay_samples`` have come out
    (none before that), whatever the chunks; ``flush`` gives the rest.  So the
    output is as long as the input, and in step with it.

    The generator's norms remember all that they have heard since the start, as
    they do in training, where that is a sentence.  ``reset`` between sentences
    keeps to what they know.

    Arguments
    ---------
    generator : BandGainGenerator
        In evaluation mode, on any device.  Enhancers may share one: all that
        they remember of their streams is their own.
    sample_rate : int
        Rate of both streams in Hz: 16000, which the generators are made for.
    chunk_samples : int
        A number that the length of every chunk is a multiple of; the delay is
        512 - gcd(chunk_samples, 256) samples (see ``StreamingEnhancer``).

    Raises
    ------
    ValueError
        If the generator is another one or in training mode, the rate is not 16
        kHz, or ``chunk_samples`` is not a positive integer.

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

    def __init__(self, generator, sample_rate=SAMPLE_RATE, *, chunk_samples=1):
        if not isinstance(generator, BandGainGenerator):
            raise ValueError(
                "Listening enhancement of streams needs a generator of band "
                "gains (BandGainGenerator); got "
                f"{type(generator).__name__}. Those of recipes/LE are."
            )
        super().__init__(generator, sample_rate, chunk_samples)
        self._band_gains = BandGains(sample_rate)

    def process(self, speech, noise):
        """Take the next samples of both and return the speech that is due.

        Arguments
        ---------
        speech, noise : torch.Tensor or numpy.ndarray
            [samples], float, full scale 1; equally many samples, any number,
            also none: the speech to be played and, recorded at the same time,
            the noise around the listener without that speech.  Their levels
            matter: generators are trained with speech at -25 dBFS, and hear
            the signal-to-noise ratio.  They are copied.

        Returns
        -------
        torch.Tensor
            [samples], float32, on the CPU: as many as went in, less what the
            delay holds back at the start.  Peaks may exceed 1.

        Raises
        ------
        ValueError
            If the chunks differ in length, or one is not 1-D, not float, or
            holds a sample that is not finite (or absurdly large): nothing of
            either is taken then, and the streams go on with the next chunks.
            Also after ``flush``.
        """
        return self._take(speech, noise)

    def _changed(self, spectra):
        power = spectra.abs().square()[:, None]
        bands = self._band_gains.bands(power)
        gains = self._band_gains.gains(self._step, *bands, power[0])
        return spectra[0] * gains[0].sqrt()

    def _step(self, bands):
        gains, self._memory = self.generator.step(bands, self._memory)
        return gains
