"""What distinguishes one task from another; the rest of okd_brain is shared.

A task answers four questions: what the generator sees, how its output becomes a
waveform, what is scored, and what the discriminator sees.
"""

from dataclasses import dataclass

import torch

from okd_brain.signals import (
    SAMPLE_RATE,
    SpectralAnalysis,
    relative_frames,
    sample_counts,
)
from okd_brain.tasks.base import Enhanced, cut_waves
from okd_brain.tasks.listening import ListeningEnhancement

__all__ = ["Enhanced", "Inputs", "ListeningEnhancement", "SpeechEnhancement"]


@dataclass(frozen=True)
class Inputs:
    """One padded batch, analysed.

    Attributes
    ----------
    noisy_wave : torch.Tensor
        [batch, samples].
    noisy : torch.Tensor
        [batch, frames, 257], noisy log1p magnitude: what the generator sees.
    clean : torch.Tensor or None
        [batch, frames, 257], clean log1p magnitude where the batch has it.
    samples, frames : torch.Tensor
        [batch], int64, valid samples and frames of each item.
    """

    noisy_wave: torch.Tensor
    noisy: torch.Tensor
    clean: torch.Tensor
    samples: torch.Tensor
    frames: torch.Tensor


class SpeechEnhancement:
    """Noisy speech in, cleaner speech out.

    The generator sees the noisy log1p magnitude; its mask multiplies that (not
    the linear magnitude, as in the authors' code); the wave takes the noisy
    phase; clean against enhanced is scored; the discriminator sees the pair of
    clean and degraded log1p magnitudes.

    Arguments
    ---------
    sample_rate : int
        Rate of the waveforms in Hz.

    Example
    -------
    >>> from okd_brain.generators import CausalLSTMGenerator
    >>> task = SpeechEnhancement()
    >>> wave = torch.randn(1, 8000)
    >>> inputs = task.analyse(wave, torch.ones(1))
    >>> task.estimate(CausalLSTMGenerator(), inputs).shape
    torch.Size([1, 32, 257])
    """

    description = {"task": "speech enhancement"}  # for an export
    unprocessed = "noisy"  # the row of a table that no generator touched
    sources = ("enhanced", "noisy", "clean")  # D's steps, in this order
    reported = ()  # metrics of every table, besides what an experiment names
    discriminator_channels = 2
    # The authors' BatchNorm at batch 1; levels carry no information here.
    normalise_discriminator_input = True

    def __init__(self, sample_rate=SAMPLE_RATE):
        self.sample_rate = sample_rate
        self.analysis = SpectralAnalysis(sample_rate)

    def analyse(self, noisy_wave, relative_lengths, clean_wave=None):
        """Compute the spectra of a padded batch once, for all generators.

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
            noisy=self.analysis.log_magnitude(noisy_wave),
            clean=clean,
            samples=samples,
            frames=self.analysis.frames(samples),
        )

    def inputs(self, batch):
        """Analyse a ``PaddedBatch`` with ``noisy_sig`` and ``clean_sig``."""
        noisy_wave, relative_lengths = batch.noisy_sig
        return self.analyse(noisy_wave, relative_lengths, batch.clean_sig.data)

    def estimate(self, generator, inputs):
        """Return a generator's spectrum, mask times noisy log1p magnitude.

        Arguments
        ---------
        generator : torch.nn.Module
            Mask estimator of ``okd_brain.generators``.
        inputs : Inputs
            The analysed batch.

        Returns
        -------
        torch.Tensor
            [batch, frames, 257], float32.
        """
        lengths = relative_frames(inputs.frames)
        return generator(inputs.noisy, lengths=lengths).float() * inputs.noisy

    def enhance(self, generator, batch):
        """Enhance a batch: the one path from a batch to waveforms.

        Arguments
        ---------
        generator : torch.nn.Module
            Mask estimator of ``okd_brain.generators``.
        batch : PaddedBatch or Inputs
            With ``noisy_sig``, or already analysed.

        Returns
        -------
        Enhanced
        """
        inputs = batch if isinstance(batch, Inputs) else self.inputs(batch)
        spectrum = self.estimate(generator, inputs)
        wave = self.analysis.resynthesise(spectrum, inputs.noisy_wave)
        return Enhanced(spectrum=spectrum, wave=wave, samples=inputs.samples)

    def judged(self, source, batch, inputs):
        """Return the spectrum the discriminator judges in its own phases.

        Arguments
        ---------
        source : str
            One of ``sources``; "enhanced" is the stored wave in
            ``batch.enhanced_sig``.
        batch : PaddedBatch
            The batch.
        inputs : Inputs
            The same batch, analysed.

        Returns
        -------
        torch.Tensor
            [batch, frames, 257], log1p magnitude.
        """
        if source == "enhanced":
            return self.analysis.log_magnitude(batch.enhanced_sig.data)
        return inputs.clean if source == "clean" else inputs.noisy

    def unprocessed_wave(self, batch):
        """Return what no generator touched: [batch, samples]."""
        return batch.noisy_sig.data

    def baselines(self, batch):
        """Return what other systems make of a batch, by name: none here."""
        return {}

    def discriminator_input(self, spectrum, inputs):
        """Stack what the discriminator sees: (clean, degraded).

        Arguments
        ---------
        spectrum : torch.Tensor
            [batch, frames, 257], the degraded spectrum to be judged.
        inputs : Inputs
            The analysed batch.

        Returns
        -------
        torch.Tensor
            [batch, 2, frames, 257].
        """
        return torch.stack([inputs.clean, spectrum], dim=1)

    def supervised_target(self, inputs):
        """Return the spectrum that the supervised warm-up aims at: the clean."""
        return inputs.clean

    def scored_pairs(self, wave, batch):
        """Return (reference, degraded) of every item, as the metrics take them.

        Arguments
        ---------
        wave : torch.Tensor
            [batch, samples], the degraded waveforms.
        batch : PaddedBatch
            The batch they belong to.

        Returns
        -------
        list of (numpy.ndarray, numpy.ndarray)
            Float32, 1-D, cut to each item's own length.
        """
        clean, relative_lengths = batch.clean_sig
        return cut_waves(relative_lengths, clean, wave)
