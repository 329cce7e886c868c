"""Listening enhancement: clean speech changed so that it is understood in noise.

The listener's noise is known, and the power of the speech must not rise: only
its distribution over time and frequency changes. The networks and constants
are those of NELE-GAN (Li and Yamagishi, ICASSP 2021, and its code), on which the
paper builds; the authors of MetricGAN-OKD have published no code for this task.
"""

from dataclasses import dataclass

import torch

from okd_brain.measures import is_constant
from okd_brain.messages import UserError
from okd_brain.metrics import POWER_RATIO_DB
from okd_brain.signals import BAND_EXPONENT, SAMPLE_RATE, sample_counts
from okd_brain.tasks.bands import (
    BandGains,
    amplitude_gains,
    at_power_of,
    bin_power,
)
from okd_brain.tasks.base import (
    POWERS,
    SHARES,
    Enhanced,
    Task,
    cut_waves,
    level_changes,
    without_padding,
)
from okd_brain.tasks.ssdrc import ssdrc

EQUAL_POWER = ("utterance", "frame")
MAX_GAIN_DB = 13.9  # of a band: what the generators can give


@dataclass(frozen=True)
class ListeningInputs:
    """One padded batch, analysed.

    Attributes
    ----------
    clean_wave : torch.Tensor
        [batch, samples], the speech to be played.
    noise_wave : torch.Tensor
        [batch, samples], the noise around the listener.
    spectrum : torch.Tensor
        [batch, frames, 257, 2], its STFT.
    clean, noise : torch.Tensor
        [batch, frames, 64], compressed bands of the speech and of the noise
        around the listener.
    samples, frames : torch.Tensor
        [batch], int64, valid samples and frames of each item.
    """

    clean_wave: torch.Tensor
    noise_wave: torch.Tensor
    spectrum: torch.Tensor
    clean: torch.Tensor
    noise: torch.Tensor
    samples: torch.Tensor
    frames: torch.Tensor


class ListeningEnhancement(Task):
    """Clean speech and noise in, speech out that is clearer in that noise.

    The generator sees 64 bands of both and gives gains of the speech's bands;
    the bin gains are interpolated, and the phase is that of the speech. The
    ear's metrics compare the clean speech with the enhanced speech and the
    noise together, the device's with the enhanced speech alone. The
    discriminator sees bands of the enhanced speech, the noise and the clean
    speech at their levels: normalised ones would hide the signal-to-noise
    ratio.

    NELE-GAN applies the gains to the bands for the discriminator, and to the
    bins for the wave. Here both come from the bins, so that the discriminator
    sees in the generators' phase what it sees in its own.

    Arguments
    ---------
    sample_rate : int
        Rate of the waveforms in Hz.
    equal_power : str
        What keeps its power: the "utterance" as a whole, or each "frame" of
        32 ms by itself, which a device can do in real time (Li and Yamagishi
        2021, eq. 10). The latter holds for frames, from 47 Hz on; where they
        overlap, 0.01 to 0.07 dB of power were lost with trained generators.

    Raises
    ------
    UserError
        If ``equal_power`` is neither.

    Example
    -------
    >>> from okd_brain.generators import BandGainGenerator
    >>> task = ListeningEnhancement()
    >>> speech, noise = torch.randn(2, 1, 8000)
    >>> inputs = task.analyse(speech, noise, torch.ones(1))
    >>> enhanced = task.enhance(BandGainGenerator(), inputs)
    >>> enhanced.spectrum.shape, enhanced.wave.shape
    (torch.Size([1, 32, 64]), torch.Size([1, 8000]))
    >>> ratio = (enhanced.wave**2).sum() / (speech**2).sum()
    >>> round(ratio.item(), 4)
    1.0
    """

    unprocessed = "unprocessed"
    # There is no step on clean speech without noise: NELE-GAN makes none, and
    # no generator can reach its label here.
    sources = ("enhanced", "unprocessed")
    reported = (POWER_RATIO_DB,)
    discriminator_channels = 3
    normalise_discriminator_input = False

    def __init__(self, sample_rate=SAMPLE_RATE, equal_power="utterance"):
        if equal_power not in EQUAL_POWER:
            raise UserError(
                f"equal_power is {equal_power!r}, but it must be one of "
                f"{', '.join(EQUAL_POWER)}."
            )
        super().__init__(sample_rate)
        self.equal_power = equal_power
        self._band_gains = BandGains(sample_rate)

    @property
    def description(self):
        """Task and constraint."""
        return {
            "task": "listening enhancement",
            "equal_power": self.equal_power,
        }

    def bands(self, wave):
        """Return the compressed bands of waves.

        Arguments
        ---------
        wave : torch.Tensor
            [batch, samples], full scale 1.

        Returns
        -------
        torch.Tensor
            [batch, frames, 64], float32.
        """
        return self._band_gains.bands(bin_power(self.analysis.transform(wave)))

    @torch.no_grad()
    def analyse(self, clean_wave, noise_wave, relative_lengths):
        """Compute the bands of padded waves.

        Arguments
        ---------
        clean_wave : torch.Tensor
            [batch, samples]; the networks are trained on speech at -25 dBFS.
        noise_wave : torch.Tensor
            [batch, samples], the noise around the listener.
        relative_lengths : torch.Tensor
            [batch], SpeechBrain's relative lengths.

        Returns
        -------
        ListeningInputs
            Without gradients.
        """
        samples = sample_counts(relative_lengths, clean_wave.shape[1])
        spectrum = self.analysis.transform(clean_wave)
        return ListeningInputs(
            clean_wave=clean_wave,
            noise_wave=noise_wave,
            spectrum=spectrum,
            clean=self._band_gains.bands(bin_power(spectrum)),
            noise=self.bands(noise_wave),
            samples=samples,
            frames=self.analysis.frames(samples),
        )

    def inputs(self, batch):
        """Analyse a batch with ``clean_sig`` and ``noise_sig``."""
        clean_wave, relative_lengths = batch.clean_sig
        return self.analyse(clean_wave, batch.noise_sig.data, relative_lengths)

    def estimate(self, generator, inputs):
        """Return the compressed bands of the result, at the speech's power."""
        power = bin_power(inputs.spectrum)
        return self._band_gains.bands(
            power * self._gains(generator, inputs, power)
        )

    def enhance(self, generator, batch):
        """Return what the device plays, without the noise."""
        inputs = batch
        if not isinstance(batch, ListeningInputs):
            inputs = self.inputs(batch)
        power = bin_power(inputs.spectrum)
        gains = self._gains(generator, inputs, power)
        wave = self.analysis.invert(
            inputs.spectrum * amplitude_gains(gains)[..., None],
            inputs.samples,
        )
        if self.equal_power == "utterance":
            wave = at_power_of(inputs.clean_wave, wave, inputs.samples)
        return Enhanced(
            spectrum=self._band_gains.bands(power * gains),
            wave=wave,
            samples=inputs.samples,
        )

    def _gains(self, generator, inputs, power):
        """Return gains of power, [batch, frames, 257], that keep it equal."""
        frames = inputs.frames if self.equal_power == "utterance" else None
        return self._band_gains.gains(
            generator, inputs.clean, inputs.noise, power, frames
        )

    def decide(self, generator, inputs):
        """Return gains of bands in dB, before they are scaled to equal power."""
        seen = torch.cat([inputs.clean, inputs.noise], dim=-1)
        return 10 * generator(seen).float().log10()

    def carry_out(self, decision, inputs):
        """Return what the device plays with these gains, at equal power."""
        return self.enhance(lambda _: 10 ** (decision / 10), inputs)

    def aim(self, inputs):
        """Return the gains of SSDRC in dB, as far as a generator's reach."""
        ratio = self.supervised_target(inputs) / inputs.clean
        gains = 10 / BAND_EXPONENT * ratio.log10()
        return gains.clamp(-MAX_GAIN_DB, MAX_GAIN_DB)

    def edits(self, decision, aim, inputs, seed):
        """Yield gains to a power, other levels, and blends with SSDRC's."""
        _, frames, bands = decision.shape
        for power in POWERS:
            yield "gain power", power * decision
        for kind, gains in level_changes(frames, bands, seed):
            yield kind, decision + gains.to(decision)
        for share in SHARES:
            yield "blend with SSDRC", decision.lerp(aim, share)

    def judged(self, source, batch, inputs):
        """Return the compressed bands that the discriminator judges."""
        if source == "enhanced":
            return self.bands(batch.enhanced_sig.data)
        return inputs.clean

    def unprocessed_wave(self, batch):
        """Return the clean wave."""
        return batch.clean_sig.data

    def baselines(self, batch):
        """Return what SSDRC makes of the speech; it ignores the noise."""
        clean, relative_lengths = batch.clean_sig
        samples = sample_counts(relative_lengths, clean.shape[1])
        return {"ssdrc": self._ssdrc(clean, samples)}

    def _ssdrc(self, clean, samples):
        waves = torch.zeros_like(clean)
        for item, count in enumerate(samples.tolist()):
            wave = clean[item, :count].cpu().numpy()
            if not is_constant(wave):  # an excerpt may be a pause
                shaped = ssdrc(wave, self.sample_rate)
                waves[item, :count] = torch.from_numpy(shaped)
        return waves

    def judged_wave(self, source, batch):
        """Return the stored wave or the clean one, without the noise."""
        enhanced = source == "enhanced"
        return batch["enhanced_sig" if enhanced else "clean_sig"].data

    def compared_waves(self, wave, inputs):
        """Return (clean, played), and for the ear (clean, played and noise)."""
        clean, heard, played = (
            without_padding(one, inputs.samples)
            for one in (inputs.clean_wave, wave + inputs.noise_wave, wave)
        )
        return {"ear": (clean, heard), "device": (clean, played)}

    def discriminator_input(self, spectrum, inputs):
        """Stack (enhanced, noise, clean)."""
        return torch.stack([spectrum, inputs.noise, inputs.clean], dim=1)

    def supervised_target(self, inputs):
        """Return the bands of what SSDRC makes of the speech."""
        return self.bands(self._ssdrc(inputs.clean_wave, inputs.samples))

    def scored_pairs(self, wave, batch):
        """Return (clean, heard, played); heard is played and noise together."""
        clean, relative_lengths = batch.clean_sig
        heard = wave + batch.noise_sig.data
        return cut_waves(relative_lengths, clean, heard, wave)
