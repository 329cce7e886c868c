"""What every task promises: the one path from a batch to waves, scores and labels."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from okd_brain.signals import SAMPLE_RATE, SpectralAnalysis, sample_counts

POWERS = (0.3, 0.6, 0.8, 1.25, 1.5, 2.0)  # of what a generator multiplies by
TILTS_DB = (-6.0, -2.0, 2.0, 6.0)  # from the lowest to the highest bin
GAINS_DB = (1.0, 2.0, 4.0)  # standard deviation
GAIN_FRAMES, GAINS_ACROSS = 16, 9  # independent ones every 256 ms, and so many
SHARES = (0.05, 0.15, 0.4)  # of the way to another spectrum


@dataclass(frozen=True)
class Enhanced:
    """Result of a generator on one batch.

    Attributes
    ----------
    spectrum : torch.Tensor
        [batch, frames, bins], what the discriminator and the peers compare:
        log1p magnitude in speech enhancement, compressed bands in listening
        enhancement.
    wave : torch.Tensor
        [batch, samples]; zeros beyond an item's own length.
    samples : torch.Tensor
        [batch], int64, valid samples of each item.
    """

    spectrum: torch.Tensor
    wave: torch.Tensor
    samples: torch.Tensor


class Task(ABC):
    """What distinguishes one task from another; the rest of okd is shared.

    A task answers four questions: what the generator sees (``inputs``), how its
    output becomes a wave (``enhance``), what is scored (``scored_pairs``), and
    what the discriminator sees (``discriminator_input``). To measure fidelity it
    also says what of an output can be changed: a *decision*, from which the
    rest of the output follows (``decide``, ``carry_out``, ``aim``, ``edits``).

    Arguments
    ---------
    sample_rate : int
        Rate of the waves in Hz.

    Attributes
    ----------
    description : dict
        What an export has to say for its generator to be used.
    unprocessed : str
        Row of a table that no generator touched.
    sources : tuple of str
        Steps of the discriminator on a batch of the current set, in order.
    reported : tuple of Metric
        Columns of every table, after the metrics that an experiment names.
    discriminator_channels : int
        Spectra that the discriminator sees at once.
    normalise_discriminator_input : bool
        Whether the discriminator normalises each utterance.
    """

    description: dict
    unprocessed: str
    sources: tuple
    reported: tuple = ()
    discriminator_channels: int
    normalise_discriminator_input: bool

    def __init__(self, sample_rate=SAMPLE_RATE):
        self.sample_rate = sample_rate
        self.analysis = SpectralAnalysis(sample_rate)

    @abstractmethod
    def inputs(self, batch):
        """Analyse a batch once, for all generators.

        Arguments
        ---------
        batch : PaddedBatch
            With the signals that the task needs.

        Returns
        -------
        object
            Spectra of the batch, with ``frames``: torch.Tensor [batch], int64,
            the valid frames of each item.
        """

    @abstractmethod
    def estimate(self, generator, inputs):
        """Return what a generator makes of an analysed batch, as a spectrum.

        Arguments
        ---------
        generator : torch.nn.Module
            Of ``okd_brain.generators``.
        inputs : object
            From ``inputs``.

        Returns
        -------
        torch.Tensor
            [batch, frames, bins], float32.
        """

    @abstractmethod
    def enhance(self, generator, batch):
        """Enhance a batch: the one path from a batch to waves.

        Arguments
        ---------
        generator : torch.nn.Module
            Of ``okd_brain.generators``.
        batch : PaddedBatch or object
            A batch, or what ``inputs`` has made of it.

        Returns
        -------
        Enhanced
        """

    @abstractmethod
    def judged(self, source, batch, inputs):
        """Return the spectrum that the discriminator judges in its own phases.

        Arguments
        ---------
        source : str
            One of ``sources``; "enhanced" is the stored wave in
            ``batch.enhanced_sig``.
        batch : PaddedBatch
            The batch.
        inputs : object
            The same batch, analysed.

        Returns
        -------
        torch.Tensor
            [batch, frames, bins], float32.
        """

    @abstractmethod
    def judged_wave(self, source, batch):
        """Return the wave of ``judged``, [batch, samples].

        Arguments
        ---------
        source : str
            One of ``sources``.
        batch : PaddedBatch
            The batch.

        Returns
        -------
        torch.Tensor
            [batch, samples].
        """

    @abstractmethod
    def compared_waves(self, wave, inputs):
        """Return what twins compare: as ``scored_pairs``, but differentiable.

        Arguments
        ---------
        wave : torch.Tensor
            [batch, samples], from ``enhance`` or ``judged_wave``.
        inputs : object
            The analysed batch.

        Returns
        -------
        dict
            Who listens, "ear" or "device" -> (reference, degraded), [batch,
            samples] each, float32, zero beyond the items' own lengths.
        """

    @abstractmethod
    def discriminator_input(self, spectrum, inputs):
        """Stack what the discriminator sees.

        Arguments
        ---------
        spectrum : torch.Tensor
            [batch, frames, bins], what is judged.
        inputs : object
            The analysed batch.

        Returns
        -------
        torch.Tensor
            [batch, ``discriminator_channels``, frames, bins].
        """

    @abstractmethod
    def supervised_target(self, inputs):
        """Return the spectrum [batch, frames, bins] that the warm-up aims at."""

    @abstractmethod
    def decide(self, generator, inputs):
        """Return what a generator decides for an analysed batch.

        Arguments
        ---------
        generator : torch.nn.Module
            Of ``okd_brain.generators``.
        inputs : object
            From ``inputs``.

        Returns
        -------
        torch.Tensor
            [batch, frames, bins], float32: log1p magnitudes in speech
            enhancement, gains of bands in dB in listening enhancement.
        """

    @abstractmethod
    def carry_out(self, decision, inputs):
        """Return what a decision makes of a batch; differentiable.

        Arguments
        ---------
        decision : torch.Tensor
            [batch, frames, bins], any such tensor.
        inputs : object
            The analysed batch.

        Returns
        -------
        Enhanced
        """

    @abstractmethod
    def aim(self, inputs):
        """Return the decision that supervised training aims at.

        Arguments
        ---------
        inputs : object
            The analysed batch.

        Returns
        -------
        torch.Tensor
            [batch, frames, bins].
        """

    @abstractmethod
    def edits(self, decision, aim, inputs, seed):
        """Yield edits of a decision such as a generator might make.

        Arguments
        ---------
        decision : torch.Tensor
            [1, frames, bins], of one utterance.
        aim : torch.Tensor
            [1, frames, bins], from ``aim``.
        inputs : object
            The analysed utterance.
        seed : int
            Decides what is random.

        Yields
        ------
        (str, torch.Tensor)
            Kind of edit, and the edited decision.
        """

    @abstractmethod
    def unprocessed_wave(self, batch):
        """Return the wave that no generator touched, [batch, samples]."""

    def baselines(self, batch):
        """Return what other systems make of a batch: name -> [batch, samples]."""
        return {}

    @abstractmethod
    def scored_pairs(self, wave, batch):
        """Return what the metrics compare, item by item.

        Arguments
        ---------
        wave : torch.Tensor
            [batch, samples], from ``enhance``, ``baselines`` or
            ``unprocessed_wave``.
        batch : PaddedBatch
            The batch that it belongs to.

        Returns
        -------
        list of tuple of numpy.ndarray
            (reference, degraded), or (reference, heard, played) where the
            listener's noise is heard as well; float32, 1-D, cut to each item's
            own length.
        """


def level_changes(frames, bins, seed) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield smooth changes of level over time and frequency.

    Arguments
    ---------
    frames : int
        How many.
    bins : int
        How many.
    seed : int
        Decides what is random; the same on every device.

    Yields
    ------
    (str, torch.Tensor)
        Kind of change, and dB that broadcast to [1, frames, bins], on the CPU.

    Example
    -------
    >>> kind, tilt = next(level_changes(100, 257, seed=1))
    >>> kind, tilt[0].item(), tilt[-1].item()
    ('smooth tilt', 3.0, -3.0)
    """
    ramp = torch.linspace(-0.5, 0.5, bins)
    for tilt in TILTS_DB:
        yield "smooth tilt", tilt * ramp
    random = torch.Generator().manual_seed(seed)
    for size in GAINS_DB:
        shape = 1, 1, 2 + frames // GAIN_FRAMES, GAINS_ACROSS
        (gains,) = torch.nn.functional.interpolate(
            size * torch.randn(shape, generator=random),
            (frames, bins),
            mode="bilinear",
            align_corners=True,
        )
        yield "smooth gain", gains


def without_padding(wave, samples):
    """Return padded waves with zeros beyond the items' own lengths.

    Arguments
    ---------
    wave : torch.Tensor
        [batch, samples].
    samples : torch.Tensor
        [batch], int64, valid samples of each item.

    Returns
    -------
    torch.Tensor
        [batch, samples], float32.

    Example
    -------
    >>> without_padding(torch.ones(2, 3), torch.tensor([3, 1])).tolist()
    [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]]
    """
    index = torch.arange(wave.shape[1], device=wave.device)
    return wave.float() * (index < samples[:, None])


def cut_waves(relative_lengths, *waves):
    """Cut padded waves to the length of each item.

    Arguments
    ---------
    relative_lengths : torch.Tensor
        [batch], SpeechBrain's relative lengths of the first wave.
    *waves : torch.Tensor
        [batch, samples] each.

    Returns
    -------
    list of tuple of numpy.ndarray
        For each item its stretch of every wave, float32, 1-D, on the CPU.

    Example
    -------
    >>> clean = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.0]])
    >>> [(one, two), _] = cut_waves(torch.tensor([1.0, 2 / 3]), clean, -clean)
    >>> len(one), two.tolist() == (-one).tolist()
    (3, True)
    """
    counts = sample_counts(relative_lengths, waves[0].shape[1]).tolist()
    return [
        tuple(wave[item, :count].cpu().numpy() for wave in waves)
        for item, count in enumerate(counts)
    ]
