"""Networks of a few thousand parameters, for checkpoints kept beside tests."""

import torch


class SmallGenerator(torch.nn.Module):
    """Estimate a mask from every bin alone."""

    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.ones(257))
        self.offset = torch.nn.Parameter(torch.zeros(257))

    def forward(self, x, lengths=None):
        """Return the mask of x, [batch, frames, 257]."""
        return torch.sigmoid(self.slope * x + self.offset).clamp(min=0.05)


class SmallDiscriminator(torch.nn.Module):
    """Score the mean over frames of every channel."""

    def __init__(self, heads, channels=2, normalise=True):
        super().__init__()
        self.linear = torch.nn.Linear(257 * channels, heads)
        torch.nn.init.constant_(self.linear.weight, 0.001)
        torch.nn.init.zeros_(self.linear.bias)

    def forward(self, x, frames):
        """Return scores, [batch, heads], of x [batch, channels, frames, 257]."""
        return self.linear(x.mean(dim=2).flatten(1))


class DroppingGenerator(SmallGenerator):
    """A small generator whose training depends on random numbers."""

    def forward(self, x, lengths=None):
        """Return the mask of x, [batch, frames, 257], of which some is dropped."""
        return super().forward(
            torch.nn.functional.dropout(x, 0.2, self.training)
        )


class NormedDiscriminator(SmallDiscriminator):
    """A small discriminator with a state that is no parameter."""

    def __init__(self, heads, channels=2, normalise=True):
        super().__init__(heads, channels, normalise)
        self.linear = torch.nn.utils.spectral_norm(self.linear)
