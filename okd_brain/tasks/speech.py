"""Speech enhancement: noisy speech in, cleaner speech out."""

from dataclasses import dataclass

import torch

from okd_brain.signals import MASK_FLOOR, relative_frames, sample_counts
from okd_brain.tasks.base import (
    POWERS,
    SHARES,
    Enhanced,
    Task,
    cut_waves,
    level_changes,
    without_padding,
)


@dataclass(frozen=True)
class Inputs:
    """One padded batch, analysed.

    Attributes
    ----------
    noisy_wave : torch.Tensor
        [batch, samples].
    clean_wave : torch.Tensor or None
        [batch, samples], where the batch has it.
    noisy : torch.Tensor
        [batch, frames, 257], noisy log1p magnitude: what the generator sees.
    clean : torch.Tensor or None
        [batch, frames, 257], clean log1p magnitude where the batch has it.
    samples, frames : torch.Tensor
        [batch], int64, valid samples and frames of each item.
    """

    noisy_wave: torch.Tensor
    clean_wave: torch.Tensor
    noisy: torch.Tensor
    clean: torch.Tensor
    samples: torch.Tensor
    frames: torch.Tensor


class SpeechEnhancement(Task):
    """Noisy speech in, cleaner speech out.

    The generator sees the noisy log1p magnitude; its mask multiplies that (not
    the linear magnitude, as in the authors' code); the wave takes the noisy
    phase; clean against enhanced is scored; the discriminator sees the pair of
    clean and degraded log1p magnitudes.

    Arguments
    ---------
    sample_rate : int
        Rate of the waves in Hz.

    Example
    -------
    >>> from okd_brain.generators import CausalLSTMGenerator
    >>> task = SpeechEnhancement()
    >>> wave = torch.randn(1, 8000)
    >>> inputs = task.analyse(wave, torch.ones(1))
    >>> task.estimate(CausalLSTMGenerator(), inputs).shape
    torch.Size([1, 32, 257])
    """

    description = {"task": "speech enhancement"}
    unprocessed = "noisy"
    sources = ("enhanced", "noisy", "clean")
    discriminator_channels = 2
    # The authors' BatchNorm at batch 1; levels carry no information here.
    normalise_discriminator_input = True

    def analyse(self, noisy_wave, relative_lengths, clean_wave=None):
        """Compute the spectra of padded waves.

        Arguments
        ---------
        noisy_wave : torch.Tensor
            [batch, samples].
        relative_lengths : torch.Tensor
            [batch], SpeechBrain's relative lengths.
        clean_wave : torch.Tensor, optional
            [batch, samples].

        Returns
        -------
        Inputs
        """
        samples = sample_counts(relative_lengths, noisy_wave.shape[1])
        clean = clean_wave
        if clean is not None:
            clean = self.analysis.log_magnitude(clean)
        return Inputs(
            noisy_wave=noisy_wave,
            clean_wave=clean_wave,
            noisy=self.analysis.log_magnitude(noisy_wave),
            clean=clean,
            samples=samples,
            frames=self.analysis.frames(samples),
        )

    def inputs(self, batch):
        """Analyse a batch with ``noisy_sig`` and ``clean_sig``."""
        noisy_wave, relative_lengths = batch.noisy_sig
        return self.analyse(noisy_wave, relative_lengths, batch.clean_sig.data)

    def estimate(self, generator, inputs):
        """Return mask times noisy log1p magnitude."""
        lengths = relative_frames(inputs.frames)
        return generator(inputs.noisy, lengths=lengths).float() * inputs.noisy

    def enhance(self, generator, batch):
        """Enhance a batch with ``noisy_sig``, or an analysed one."""
        inputs = batch if isinstance(batch, Inputs) else self.inputs(batch)
        return self.carry_out(self.estimate(generator, inputs), inputs)

    def decide(self, generator, inputs):
        """Return log1p magnitudes, as ``estimate`` does."""
        return self.estimate(generator, inputs)

    def carry_out(self, decision, inputs):
        """Return log1p magnitudes with their wave, of the noisy phase."""
        decision = decision.clamp(min=0)
        wave = self.analysis.resynthesise(
            decision, inputs.noisy_wave, inputs.samples
        )
        return Enhanced(spectrum=decision, wave=wave, samples=inputs.samples)

    def aim(self, inputs):
        """Return the clean log1p magnitude."""
        return inputs.clean

    def edits(self, decision, aim, inputs, seed):
        """Yield other masks, levels, and blends with noisy and clean speech."""
        _, frames, bins = decision.shape
        mask = decision / inputs.noisy.clamp(min=1e-8)
        for power in POWERS:
            edited = (mask**power).clamp(min=MASK_FLOOR)
            yield "mask power", edited * inputs.noisy
        for kind, gains in level_changes(frames, bins, seed):
            factors = 10 ** (gains.to(decision) / 20)
            yield kind, torch.log1p(torch.expm1(decision) * factors)
        for share in SHARES:
            yield "noise put back", decision.lerp(inputs.noisy, share)
        for share in SHARES:
            yield "blend with clean", decision.lerp(aim, share)

    def judged(self, source, batch, inputs):
        """Return the log1p magnitude that the discriminator judges."""
        if source == "enhanced":
            return self.analysis.log_magnitude(batch.enhanced_sig.data)
        return inputs.clean if source == "clean" else inputs.noisy

    def judged_wave(self, source, batch):
        """Return the stored wave, the noisy one or the clean one."""
        return batch[f"{source}_sig"].data

    def compared_waves(self, wave, inputs):
        """Return (clean, wave), whoever listens."""
        pair = tuple(
            without_padding(one, inputs.samples)
            for one in (inputs.clean_wave, wave)
        )
        return {"ear": pair, "device": pair}

    def discriminator_input(self, spectrum, inputs):
        """Stack (clean, degraded)."""
        return torch.stack([inputs.clean, spectrum], dim=1)

    def supervised_target(self, inputs):
        """Return the clean spectrum."""
        return inputs.clean

    def unprocessed_wave(self, batch):
        """Return the noisy wave."""
        return batch.noisy_sig.data

    def scored_pairs(self, wave, batch):
        """Return (clean, degraded) of every item."""
        clean, relative_lengths = batch.clean_sig
        return cut_waves(relative_lengths, clean, wave)
