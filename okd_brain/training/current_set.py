"""The current set: an epoch's excerpts, enhanced by one generator and scored."""

import math

import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.logger import get_logger

from okd_brain.messages import UserError, counted
from okd_brain.scoring.board import Scoreboard, gather
from okd_brain.training.replay import Record

logger = get_logger(__name__)


class CurrentSetMaker:
    """Enhance excerpts one by one, store the waves, and score them meanwhile.

    Arguments
    ---------
    task : Task
        Enhances.
    reader : ExcerptReader
        Reads the excerpts.
    replay : Replay
        Stores the waves.
    scorer : Scorer
        Computes the metrics of all targets.
    device : str
        Where the generator lives.
    """

    def __init__(self, task, reader, replay, scorer, device):
        self.task = task
        self.reader = reader
        self.replay = replay
        self.scorer = scorer
        self.device = device

    @torch.no_grad()
    def __call__(
        self,
        generator,
        name,
        excerpts,
        epoch,
        rank=0,
        world_size=1,
        tell=lambda done, of: None,
    ):
        """Make the set; every process does its share and gets the whole set.

        Arguments
        ---------
        generator : torch.nn.Module
            In evaluation mode meanwhile.
        name : str
            Name of the generator.
        excerpts : list of Excerpt
            What to enhance.
        epoch : int
            Part of the file names and records.
        rank : int
            Which process this is.
        world_size : int
            How many there are.
        tell : callable
            Called with how many excerpts are done, of how many.

        Returns
        -------
        list of Record
            In the order of the excerpts; those for which a metric of the
            enhanced or the unprocessed speech is undefined are left out (the
            log names each).

        Raises
        ------
        UserError
            When no excerpt could be scored.
        """
        board = Scoreboard(self.scorer)
        files = {}
        generator.eval()
        mine = excerpts[rank::world_size]
        for number, excerpt in enumerate(mine, start=1):
            batch = PaddedBatch([self.reader(excerpt)]).to(self.device)
            wave = self.task.enhance(generator, batch).wave
            key = excerpt.utterance
            files[key] = self.replay.write(excerpt, epoch, wave[0].cpu())
            board.submit("enhanced", [key], self.task.scored_pairs(wave, batch))
            unprocessed = self.task.unprocessed_wave(batch)
            board.submit(
                "unprocessed",
                [key],
                self.task.scored_pairs(unprocessed, batch),
                cached=self.reader.is_whole(excerpt),  # others never return
            )
            tell(number, len(mine))
        generator.train()
        scores = board.collect()
        all_files = {
            key: f for part in gather(files) for key, f in part.items()
        }
        records = [
            Record(
                excerpt=excerpt,
                epoch=epoch,
                generator=name,
                file=all_files[excerpt.utterance],
                scores=scores["enhanced"][excerpt.utterance],
                unprocessed_scores=scores["unprocessed"][excerpt.utterance],
            )
            for excerpt in excerpts
        ]
        usable = [record for record in records if _is_scored(record)]
        if not usable:
            raise UserError(
                f"None of the {counted(len(excerpts), 'utterance')} of epoch {epoch} "
                f"could be scored with {', '.join(self.scorer.names)}; the "
                "log names the reasons."
            )
        return usable


def _is_scored(record):
    values = [*record.scores.values(), *record.unprocessed_scores.values()]
    return all(math.isfinite(value) for value in values)
