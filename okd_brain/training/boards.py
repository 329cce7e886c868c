"""TensorBoard and Weights & Biases: what a run shows there, at the right epoch.

SpeechBrain has a logger for each. Both count their calls, which would start again
at 0 when a run goes on: here the epoch is the step.
"""

import hashlib
from importlib.util import find_spec

import torch

from okd_brain.messages import UserError, check_switch
from okd_brain.results import spectrogram_db


def check_boards(use_tensorboard, use_wandb):
    """Refuse switches that are none, and boards whose package is missing.

    Arguments
    ---------
    use_tensorboard : bool
        Whether curves go to TensorBoard.
    use_wandb : bool
        Whether they go to Weights & Biases.

    Raises
    ------
    UserError
        Naming the option.
    """
    check_switch("use_tensorboard", use_tensorboard)
    check_switch("use_wandb", use_wandb)
    if use_wandb and find_spec("wandb") is None:
        raise UserError(
            "--use_wandb True needs the package wandb, which is not installed: "
            "pip install wandb, or leave the option out."
        )
    if use_tensorboard and find_spec("tensorboard") is None:
        raise UserError(
            "--use_tensorboard True needs the package tensorboard, which is "
            "not installed: pip install 'okd[tensorboard]', or leave the "
            "option out."
        )


class Boards:
    """The boards that an experiment asks for; maybe none.

    Arguments
    ---------
    hparams : SimpleNamespace
        With ``use_tensorboard``, ``tensorboard_train_logger`` and ``use_wandb``.
    folder : Path
        Of the run; receives wandb's files.
    """

    def __init__(self, hparams, folder):
        self.tensorboard = self.wandb = None
        if hparams.use_tensorboard:
            self.tensorboard = hparams.tensorboard_train_logger()
        if hparams.use_wandb:
            self.wandb = _begin_wandb(folder)

    @property
    def have_sound(self):
        """Tell whether this process has a board that sound can be shown on."""
        return self.tensorboard is not None and bool(self.tensorboard.writer)

    def draw(self, epoch, stats_by_split):
        """Add a point to every curve.

        Arguments
        ---------
        epoch : int
            Where.
        stats_by_split : dict
            "train" and "valid" -> name -> number.
        """
        if self.wandb is not None:
            self.wandb.log_stats(
                {"epoch": epoch},
                **{f"{name}_stats": of for name, of in stats_by_split.items()},
            )
        if self.have_sound:
            for split, stats in stats_by_split.items():
                for name, value in stats.items():
                    tag = f"{split}/{name}"
                    self.tensorboard.writer.add_scalar(tag, value, epoch)

    def show(self, epoch, name, wave, sample_rate):
        """Let TensorBoard play a wave, and show its spectrogram.

        Arguments
        ---------
        epoch : int
            When it was made.
        name : str
            Utterance and system.
        wave : numpy.ndarray
            [samples].
        sample_rate : int
            In Hz.
        """
        self.tensorboard.global_step["meta"] = epoch
        sound = torch.from_numpy(wave).clamp(-1, 1)[None]
        self.tensorboard.log_audio(name, sound, sample_rate)
        if find_spec("matplotlib") is not None:
            levels = spectrogram_db(wave, sample_rate)
            self.tensorboard.log_figure(name, torch.from_numpy(levels))


def _begin_wandb(folder):
    """Return SpeechBrain's logger; a run that goes on is the same one there.

    Project, entity and mode are what wandb's own environment variables say.
    """
    import wandb
    from speechbrain.utils.train_logger import WandBLogger

    place = str(folder.resolve())
    return WandBLogger(
        wandb.init,
        dir=place,
        name=folder.name,
        id=hashlib.sha256(place.encode()).hexdigest()[:16],
        resume="allow",
    )
