"""The curriculum: how long each stage lasts, and what its epochs visit.

An experiment has up to three stages:

=============== ==================================== ========================
stage           what learns                          length in epochs
=============== ==================================== ========================
warmup          generators, supervised               ``warmup_epochs``
discriminator   discriminators                       ``discriminator_epochs``
okd             both: MetricGAN-OKD proper           ``number_of_epochs``
=============== ==================================== ========================

The paper's schedule has the last only. Without it, the experiment is a warm
start for others. The first may end at a ``Plateau``, the second at a ``Gate``:
then these lengths are the longest.

All choices follow from the seed and the epoch, so that a resumed run and every
process of a distributed one make the same ones.
"""

import json
import random
from pathlib import Path

from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.logger import get_logger

from okd_brain.messages import UserError, check_switch, counted, is_whole
from okd_brain.signals import SAMPLE_RATE
from okd_brain.training.phases import draw_excerpts, exchange_noises

logger = get_logger(__name__)

MIN_TRAIN_SECONDS = 1.0  # STOI needs 30 active frames of 12.8 ms, PESQ 0.25 s


PLATEAU_GAIN = 0.0015
"""Of a label in [0, 1]: 0.005 PESQ where the logistic label is 0.3."""


@register_checkpoint_hooks
class Plateau:
    """Tell when validation no longer gains.

    Arguments
    ---------
    patience : int
        This many validations together must gain `PLATEAU_GAIN`.

    Raises
    ------
    UserError
        If the patience is not a whole number of at least 1.

    Example
    -------
    >>> plateau = Plateau(patience=2)
    >>> [plateau.update(v, epoch) for epoch, v in enumerate([0.1, 0.3, 0.3, 0.2])]
    [True, True, False, False]
    >>> plateau.end
    3
    """

    def __init__(self, patience):
        if not is_whole(patience, 1):
            raise UserError(
                f"warmup_patience is {patience!r}, must be a whole number of "
                "validations, or null."
            )
        self.patience = patience
        self.values = []
        self.end = None

    def update(self, value, epoch):
        """Take the value of a validation.

        Arguments
        ---------
        value : float
            Larger is better.
        epoch : int
            That was validated.

        Returns
        -------
        bool
            Whether it exceeds all before it by `PLATEAU_GAIN`.
        """
        gains = not self.values or value >= max(self.values) + PLATEAU_GAIN
        self.values.append(value)
        before = self.values[: -self.patience]
        if before and max(self.values) < max(before) + PLATEAU_GAIN:
            self.end = epoch
        return gains

    @mark_as_saver
    def _save(self, path):
        content = {"values": self.values, "end": self.end}
        Path(path).write_text(json.dumps(content))

    @mark_as_loader
    def _load(self, path, end_of_epoch):
        content = json.loads(Path(path).read_text())
        self.values, self.end = content["values"], content["end"]


@register_checkpoint_hooks
class Gate:
    """Tell when discriminators are good enough for generators to learn from.

    Arguments
    ---------
    agreement : float
        Which sign agreement every head has to reach, in [0, 1]: the share of
        edits of which it knows whether they raise the true score.

    Raises
    ------
    UserError
        If the agreement is no such number.

    Example
    -------
    >>> gate = Gate(agreement=0.7)
    >>> gate.update({"pesq": 0.9, "csig": 0.6}, epoch=5)
    >>> gate.update({"pesq": 0.8, "csig": 0.7}, epoch=10)
    >>> gate.end
    10
    """

    def __init__(self, agreement):
        is_number = isinstance(agreement, int | float)
        if (
            not is_number
            or isinstance(agreement, bool)
            or not (0 <= agreement <= 1)
        ):
            raise UserError(
                f"fidelity_gate is {agreement!r}, must be a sign agreement "
                "between 0 and 1 (guessing gives 0.5), or null."
            )
        self.agreement = agreement
        self.end = None

    def update(self, agreements, epoch):
        """Take what was measured after an epoch.

        Arguments
        ---------
        agreements : dict
            Name of each head -> its sign agreement; NaN, where nothing could be
            measured, does not open the gate.
        epoch : int
            After which it was measured.
        """
        if all(value >= self.agreement for value in agreements.values()):
            self.end = epoch

    @mark_as_saver
    def _save(self, path):
        Path(path).write_text(json.dumps({"end": self.end}))

    @mark_as_loader
    def _load(self, path, end_of_epoch):
        self.end = json.loads(Path(path).read_text())["end"]


class Curriculum:
    """Schedule the epochs of an experiment.

    Arguments
    ---------
    number_of_epochs : int
        Epochs of MetricGAN-OKD proper (the paper: 750); 0 for a warm start,
        which needs an epoch of another stage.
    seed : int
        Decides every choice.
    number_of_samples : int
        Utterances of an epoch.
    history_portion : float
        Share of the past that D sees again in each epoch, in [0, 1].
    batch_size : int
        Utterances per update.
    max_train_seconds : float, optional
        Longer utterances are cropped to a random stretch of this length.
    scored_samples : int, optional
        Of the utterances of an epoch, how many are scored for the
        discriminators to learn from; all by default.
    valid_interval : int
        Epochs from one validation to the next; the end of each stage is
        always validated.
    warmup_epochs : int
        Length of the supervised stage before.
    discriminator_epochs : int
        Length of the stage after it, in which only discriminators learn.
    warmup_batch_size : int
        Utterances per update of the warm-up, which visits the whole training
        set in each epoch.
    warmup_patience : int, optional
        End the warm-up, at ``warmup_epochs`` at the latest, when this many
        validations together gain less than `PLATEAU_GAIN` in the mean training
        label; the learning rate is halved at each that gains nothing.
    remix : bool
        Give each utterance the noise of another one, drawn anew in each epoch,
        wherever nothing has been scored yet: in the warm-up, and where the
        generators learn.
    fidelity_utterances : int
        Of the validation set, on which the fidelity of surrogates is measured
        every ``valid_interval`` epochs after the warm-up; 0 measures nothing.
    fidelity_gate : float, optional
        End the discriminators' stage, after ``discriminator_epochs`` at the
        latest, when every head reaches this sign agreement, in [0, 1].
    sample_rate : int
        In Hz.

    Raises
    ------
    UserError
        Naming the argument, its value and what would be accepted.

    Example
    -------
    >>> curriculum = Curriculum(number_of_epochs=2, seed=1, warmup_epochs=1)
    >>> [curriculum.stage_of(epoch) for epoch in (1, 2, 3)]
    ['warmup', 'okd', 'okd']
    """

    def __init__(
        self,
        number_of_epochs,
        seed,
        number_of_samples=100,
        history_portion=0.2,
        batch_size=1,
        max_train_seconds=None,
        scored_samples=None,
        valid_interval=1,
        warmup_epochs=0,
        discriminator_epochs=0,
        warmup_batch_size=4,
        warmup_patience=None,
        remix=False,
        fidelity_utterances=0,
        fidelity_gate=None,
        sample_rate=SAMPLE_RATE,
    ):
        if not 0 <= history_portion <= 1:
            raise UserError(
                f"history_portion is {history_portion}, but it is a share of "
                "the past and must lie in [0, 1]."
            )
        for name, value, least in (
            ("number_of_epochs", number_of_epochs, 0),
            ("number_of_samples", number_of_samples, 1),
            ("batch_size", batch_size, 1),
            ("valid_interval", valid_interval, 1),
            ("warmup_epochs", warmup_epochs, 0),
            ("discriminator_epochs", discriminator_epochs, 0),
            ("warmup_batch_size", warmup_batch_size, 1),
            ("fidelity_utterances", fidelity_utterances, 0),
        ):
            if not is_whole(value, least):
                raise UserError(
                    f"{name} is {value!r}, but it must be a whole number of at "
                    f"least {least}."
                )
        self.number_of_epochs = number_of_epochs
        self.seed = seed
        self.number_of_samples = number_of_samples
        self.history_portion = history_portion
        self.batch_size = batch_size
        self.max_train_samples = None
        if max_train_seconds is not None:
            if max_train_seconds < MIN_TRAIN_SECONDS:
                raise UserError(
                    f"max_train_seconds is {max_train_seconds}, but it must "
                    f"be at least {MIN_TRAIN_SECONDS}, which every metric and "
                    "the discriminator can judge, or null."
                )
            self.max_train_samples = int(max_train_seconds * sample_rate)
        if scored_samples is not None and not is_whole(scored_samples, 1):
            raise UserError(
                f"scored_samples is {scored_samples!r}, but it must be a whole "
                "number of at least 1, or null for all. Without a discriminator "
                "nothing is scored (surrogate: twin)."
            )
        self.scored_samples = scored_samples
        self.valid_interval = valid_interval
        self.warmup_epochs = warmup_epochs
        self.discriminator_epochs = discriminator_epochs
        self.warmup_batch_size = warmup_batch_size
        self.plateau = None
        if warmup_patience is not None:
            self.plateau = Plateau(warmup_patience)
        check_switch("remix", remix)
        self.remix = remix
        self.fidelity_utterances = fidelity_utterances
        self.gate = None
        if fidelity_gate is not None:
            self.gate = Gate(fidelity_gate)
            if fidelity_utterances == 0:
                raise UserError(
                    f"fidelity_gate is {fidelity_gate}, but fidelity_utterances "
                    "is 0: fidelity is not measured. Use 4 or more, or leave "
                    "the gate out."
                )
            if discriminator_epochs == 0:
                raise UserError(
                    f"fidelity_gate is {fidelity_gate}, but discriminator_epochs "
                    "is 0: generators start at once. Say how many epochs they "
                    "may wait at most, or leave the gate out."
                )
        if self.last_epoch == 0:
            raise UserError(
                "number_of_epochs, warmup_epochs and discriminator_epochs are "
                "all 0, but one of them must be at least 1."
            )

    @property
    def preparation(self):
        """Epochs before the first of MetricGAN-OKD proper."""
        return self.warmup_epochs + self.discriminator_epochs

    @property
    def last_epoch(self):
        """Number of epochs of all stages together."""
        return self.preparation + self.number_of_epochs

    @property
    def generator_stages(self):
        """Stages in which generators learn, in their order."""
        lengths = {"warmup": self.warmup_epochs, "okd": self.number_of_epochs}
        return [stage for stage, epochs in lengths.items() if epochs]

    def leave_out_discriminators(self):
        """Have no epochs for discriminators, as none learns."""
        if self.discriminator_epochs:
            logger.info(
                "No discriminator learns: %s left out.",
                counted(self.discriminator_epochs, "epoch is", "epochs are"),
            )
        if self.scored_samples is not None:
            logger.info(
                "No discriminator learns: scored_samples has no effect."
            )
        self.discriminator_epochs = 0
        self.gate = None

    def end_stages(self):
        """Shorten stages to where the plateau was reached or the gate opened."""
        if self.plateau is not None and self.plateau.end is not None:
            self.warmup_epochs = self.plateau.end
        if self.gate is not None and self.gate.end is not None:
            self.discriminator_epochs = self.gate.end - self.warmup_epochs

    def shorten(self, number_of_epochs):
        """Cut the last stage for ``--debug``, and each before it to one epoch."""
        self.warmup_epochs = min(1, self.warmup_epochs)
        self.discriminator_epochs = min(1, self.discriminator_epochs)
        self.number_of_epochs = min(number_of_epochs, self.number_of_epochs)

    def rng(self, what, epoch):
        """Return the random numbers of one choice in one epoch, random.Random."""
        return random.Random(f"{what} {self.seed} {epoch}")

    def stage_of(self, epoch):
        """Return the name of the stage of an epoch, counted from 1."""
        if epoch <= self.warmup_epochs:
            return "warmup"
        return "discriminator" if epoch <= self.preparation else "okd"

    def is_validated(self, epoch):
        """Tell whether an epoch ends with a validation of the generators."""
        stage = self.stage_of(epoch)
        if stage == "discriminator":
            return False
        return self._is_at_interval(epoch, stage)

    def is_measured(self, epoch):
        """Tell whether the fidelity of the surrogates is measured after it."""
        stage = self.stage_of(epoch)
        return (
            self.fidelity_utterances > 0
            and stage != "warmup"
            and self._is_at_interval(epoch, stage)
        )

    def _is_at_interval(self, epoch, stage):
        lasts = {
            "warmup": self.warmup_epochs,
            "discriminator": self.preparation,
            "okd": self.last_epoch,
        }
        return epoch == lasts[stage] or epoch % self.valid_interval == 0

    def size(self, utterances, epoch):
        """Return how many of the training utterances an epoch visits."""
        if self.stage_of(epoch) == "warmup":
            return utterances
        return min(self.number_of_samples, utterances)

    def scored_size(self, utterances, epoch):
        """Return how many of the training utterances it scores for D."""
        size = self.size(utterances, epoch)
        return min(size, self.scored_samples or size)

    def draw_scored(self, lengths, epoch):
        """Return the excerpts of an epoch that are scored, as ``draw`` does."""
        return self.draw(lengths, epoch)[: self.scored_samples]

    def draw_unscored(self, lengths, epoch):
        """Return what generators learn from in an epoch, without scores.

        Arguments
        ---------
        lengths : dict
            As for ``draw``.
        epoch : int
            Counted from 1.

        Returns
        -------
        list of Excerpt or list of Remixed
        """
        excerpts = self.draw(lengths, epoch)
        if self.remix:
            return exchange_noises(excerpts, self.rng("remix", epoch))
        return excerpts

    def draw(self, lengths, epoch):
        """Return the excerpts of an epoch.

        Arguments
        ---------
        lengths : dict
            Samples of each training utterance by id.
        epoch : int
            Counted from 1.

        Returns
        -------
        list of Excerpt
            ``number_of_samples`` of them; in warm-up all.
        """
        whole = self.stage_of(epoch) == "warmup"
        return draw_excerpts(
            lengths,
            self.rng("excerpts", epoch),
            None if whole else self.number_of_samples,
            self.max_train_samples,
        )
