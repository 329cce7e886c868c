"""Averages of what training logs."""

import torch


class RunningMeans:
    """Average named values without waiting for the device that computes them.

    Example
    -------
    >>> losses = RunningMeans()
    >>> losses.add("D pesq", torch.tensor(1.0))
    >>> losses.add("D pesq", torch.tensor(2.0))
    >>> losses.summary()
    {'D pesq': 1.5}
    """

    def __init__(self):
        self.clear()

    def clear(self):
        """Forget all values."""
        self._sums = {}
        self._counts = {}

    def add(self, name, value):
        """Take one value (a number or a tensor of one element)."""
        value = torch.as_tensor(value).detach()
        self._sums[name] = self._sums.get(name, 0) + value
        self._counts[name] = self._counts.get(name, 0) + 1

    def summary(self):
        """Return the means as plain floats, by name."""
        return {
            name: float(total) / self._counts[name]
            for name, total in self._sums.items()
        }
