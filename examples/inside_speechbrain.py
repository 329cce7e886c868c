"""Put a generator into another SpeechBrain pipeline, and train both.

    python examples/inside_speechbrain.py SPEECH [MODEL]

A classifier tells who speaks in noisy recordings, ``SPEECH/<speaker>_<any>.wav``
at 16 kHz. The generator stands before it. It could stand before a recogniser as
well: what follows it is a wave [batch, samples], and gradients pass through it.
"""

import sys
from pathlib import Path

import speechbrain as sb
import torch
from speechbrain.dataio.dataio import read_audio
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.lobes.features import Fbank
from speechbrain.utils.data_pipeline import provides, takes

import okd_brain
from okd_brain.tasks import SpeechEnhancement


class SpeakerBrain(sb.Brain):
    """Enhance, then classify; the optimiser has the parameters of both."""

    def compute_forward(self, batch, stage):
        """Return the enhanced wave [batch, samples] and the speakers' logits."""
        task = SpeechEnhancement()
        inputs = task.analyse(*batch.sig)
        wave = task.enhance(self.modules.enhance, inputs).wave
        features = self.modules.features(wave).mean(dim=1)
        return wave, self.modules.classify(features)

    def compute_objectives(self, predictions, batch, stage):
        """Return the cross entropy of the speakers."""
        _, logits = predictions
        return torch.nn.functional.cross_entropy(logits, batch.number.data)

    def on_stage_end(self, stage, stage_loss, epoch):
        """Keep the loss of each epoch."""
        self.losses = [*getattr(self, "losses", []), stage_loss]


def make_dataset(folder):
    """Return a dataset of all recordings, and the number of speakers."""
    files = sorted(Path(folder).glob("*.wav"))
    speakers = sorted({path.name.partition("_")[0] for path in files})
    numbers = {
        path: speakers.index(path.name.partition("_")[0]) for path in files
    }

    @takes("wav")
    @provides("sig")
    def signal(wav):
        return read_audio(wav)

    dataset = DynamicItemDataset(
        {
            path.stem: {"wav": str(path), "number": numbers[path]}
            for path in files
        },
        [signal],
        ["id", "sig", "number"],
    )
    return dataset, len(speakers)


def train(folder, model="causal", epochs=20, run_opts=None):
    """Train on a folder of recordings and return the brain."""
    dataset, speakers = make_dataset(folder)
    modules = {
        "enhance": okd_brain.load_generator(model),
        "features": Fbank(n_mels=40),
        "classify": torch.nn.Linear(40, speakers),
    }
    # To keep the generator as it is: modules["enhance"].requires_grad_(False)
    brain = SpeakerBrain(
        modules,
        lambda weights: torch.optim.Adam(weights, 1e-3),
        run_opts=run_opts,
    )
    loader = {"batch_size": 4, "shuffle": True}
    brain.fit(range(1, epochs + 1), dataset, train_loader_kwargs=loader)
    return brain


if __name__ == "__main__":
    print(train(*sys.argv[1:]).losses)
