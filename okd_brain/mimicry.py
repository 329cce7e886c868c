"""Mimicry: the distance of a generator's spectrum from those of its peers.

This is the distillation term of MetricGAN-OKD (Shin et al. 2023): generator k is
pulled towards the outputs of the others, which are detached here so that no
caller can forget it. The authors' code uses the squared error and does not
divide the sum over peers by their number.
"""

import torch

from okd_brain.messages import UserError
from okd_brain.signals import masked_mean


def mse(student, teacher, frames):
    """Return the mean squared difference of two spectra (the authors' choice).

    Arguments
    ---------
    student : torch.Tensor
        [batch, frames, bins], spectrum of the generator that learns.
    teacher : torch.Tensor
        [batch, frames, bins], spectrum of a peer.
    frames : torch.Tensor
        [batch], int64, valid frames of each item.

    Returns
    -------
    torch.Tensor
        Scalar, mean over bins, valid frames and items.

    Example
    -------
    >>> one, three = torch.ones(1, 4, 5), torch.full((1, 4, 5), 3.0)
    >>> mse(one, three, torch.tensor([4]))
    tensor(4.)
    """
    return masked_mean((student - teacher) ** 2, frames)


def l1(student, teacher, frames):
    """Return the mean absolute difference; arguments as of ``mse``."""
    return masked_mean((student - teacher).abs(), frames)


def kl(student, teacher, frames, temperature=1.0):
    """Return the Kullback-Leibler divergence between normalised spectra.

    Each frame becomes a distribution over the bins, ``softmax(y / temperature)``,
    as deep mutual learning does with class scores (Zhang et al. 2018). The
    result is ``temperature**2 * KL(teacher || student)``, summed over bins and
    averaged over valid frames and items; the factor keeps the size of the
    gradient when the temperature changes (Hinton et al. 2015).

    Arguments
    ---------
    student : torch.Tensor
        [batch, frames, bins], spectrum of the generator that learns.
    teacher : torch.Tensor
        [batch, frames, bins], spectrum of a peer.
    frames : torch.Tensor
        [batch], int64, valid frames of each item.
    temperature : float
        Above 1 flattens the distributions; must be positive.

    Returns
    -------
    torch.Tensor
        Scalar, not negative.

    Raises
    ------
    UserError
        If the temperature is not positive.
    """
    if temperature <= 0:
        raise UserError(
            f"The temperature of the KL mimicry is {temperature}, "
            "but it must be positive."
        )
    student = torch.log_softmax(student / temperature, dim=-1)
    teacher = torch.log_softmax(teacher / temperature, dim=-1)
    divergence = teacher.exp() * (teacher - student)
    per_frame = divergence.sum(dim=-1, keepdim=True)
    return temperature**2 * masked_mean(per_frame, frames)


def from_peers(divergence, outputs, k, frames):
    """Sum the divergence of output k from every other output, peers detached.

    Arguments
    ---------
    divergence : callable
        ``mse``, ``l1``, ``kl`` or another function of the same signature.
    outputs : list of torch.Tensor
        K tensors [batch, frames, bins], one per generator.
    k : int
        Index of the student.
    frames : torch.Tensor
        [batch], int64, valid frames of each item.

    Returns
    -------
    torch.Tensor
        Scalar; zero when there are no peers.

    Example
    -------
    >>> outputs = [torch.full((1, 4, 5), value) for value in (0.0, 1.0, 3.0)]
    >>> from_peers(mse, outputs, 0, torch.tensor([4]))
    tensor(10.)
    """
    peers = [output.detach() for j, output in enumerate(outputs) if j != k]
    terms = [divergence(outputs[k], peer, frames) for peer in peers]
    return sum(terms, start=outputs[k].new_zeros(()))
