"""Networks and checkpoints as the authors' code has them, in plain torch.

They are written from a description of the released code; weights are random and
saved as that code saves them.
"""

import zipfile

import numpy as np
import torch
from torch.nn.utils import spectral_norm


class Sigmoid(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(0.5 + torch.rand(257))


class TheirGenerator(torch.nn.Module):
    """2 x 200 (B)LSTM, 300, LeakyReLU 0.3, 257, 1.2 sigmoid(slope x)."""

    def __init__(self, causal):
        super().__init__()
        self.lstm = torch.nn.LSTM(
            257, 200, 2, batch_first=True, bidirectional=not causal
        )
        self.fc1 = torch.nn.Linear(200 if causal else 400, 300)
        self.fc2 = torch.nn.Linear(300, 257)
        self.Learnable_sigmoid = Sigmoid()
        with torch.no_grad():  # masks from below the floor to the ceiling
            self.fc2.bias.copy_(torch.linspace(-8, 8, 257))

    def forward(self, x):
        hidden = torch.nn.functional.leaky_relu(self.fc1(self.lstm(x)[0]), 0.3)
        slope = self.Learnable_sigmoid.slope
        return 1.2 * torch.sigmoid(slope * self.fc2(hidden))


class TheirDiscriminator(torch.nn.Module):
    """BatchNorm, SN convolutions 5 x 5, mean, SN linears 50-10-heads."""

    def __init__(self, heads):
        super().__init__()
        self.BN = torch.nn.BatchNorm2d(2, momentum=0.01)
        sizes = (2, 16, 32, 64, 128)
        self.layers = torch.nn.ModuleList(
            spectral_norm(torch.nn.Conv2d(*pair, 5))
            for pair in zip(sizes[:-1], sizes[1:], strict=True)
        )
        self.fc1 = spectral_norm(torch.nn.Linear(128, 50))
        self.fc2 = spectral_norm(torch.nn.Linear(50, 10))
        self.fc3 = spectral_norm(torch.nn.Linear(10, heads))
        torch.nn.init.uniform_(self.BN.weight, 0.5, 2)
        torch.nn.init.uniform_(self.BN.bias)

    def forward(self, x):
        out = self.BN(x)
        for layer in self.layers:
            out = torch.nn.functional.leaky_relu(layer(out), 0.3)
        out = out.mean(dim=(2, 3))
        for layer in (self.fc1, self.fc2):
            out = torch.nn.functional.leaky_relu(layer(out), 0.3)
        return self.fc3(out)


def save_as_theirs(path, causal=False, heads=2, numpy_name=None):
    """Save as the authors' train.py does, epoch and means in NumPy's types."""
    torch.manual_seed(3)
    generator = TheirGenerator(causal).eval()
    discriminator = TheirDiscriminator(heads)
    optimizer = torch.optim.Adam(generator.parameters(), lr=5e-4)
    generator(torch.rand(1, 3, 257)).sum().backward()
    optimizer.step()
    torch.save(
        {
            "epoch": np.arange(1, 751)[711],
            "stats": {"pesq": np.mean([3.0, 3.5]), "avg": 0},
            "generator": generator.state_dict(),
            "discriminator": discriminator.state_dict(),
            "g_optimizer": optimizer.state_dict(),
        },
        path,
    )
    if numpy_name is not None:
        rename_numpy(path, numpy_name)
    return generator, discriminator


def rename_numpy(path, name):
    """Write the names that pickles of another version of NumPy have."""
    with zipfile.ZipFile(path) as archive:
        members = {info: archive.read(info) for info in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in members.items():
            for known in (b"numpy._core.multiarray", b"numpy.core.multiarray"):
                if info.filename.endswith("/data.pkl"):
                    data = data.replace(known, name)
            archive.writestr(info, data)
