"""Stretches of bad frames, which P.862 aligns anew before it counts them.

A stretch is shifted by up to 128 ms to where its magnitudes correlate best
with the reference's; its frames count with the smaller of both disturbances.
The delay is found by searching and carries no gradient, the shifted samples
do.
"""

import torch
from torch.nn.functional import pad

from okd_brain.measures.twins.pesq_bands import FRAME, HOP

BAD_REACH = 2  # a frame between bad frames as near as this is bad
BAD_LEAST = 5  # frames of a stretch
SEARCH = 2048  # samples, in both directions
LEAST_CORRELATION = 0.5


def bad_intervals(bad, counted):
    """Find stretches of bad frames that P.862 aligns anew.

    Arguments
    ---------
    bad : torch.Tensor
        ``[pieces, frames]``, bool.
    counted : torch.Tensor
        ``[pieces, frames]``, likewise.

    Returns
    -------
    list of tuple
        Piece, first frame and end of each stretch.
    """
    if not bad.any():
        return []
    bad = bad.clone()
    bad[:, 0] = False
    # A frame between two bad ones that are near is bad; not at the edges.
    last = counted.sum(1)[:, None] - 1
    frame = torch.arange(bad.shape[1], device=bad.device)
    left = pad(bad, (BAD_REACH, 0)).unfold(1, BAD_REACH + 1, 1).any(-1)
    right = pad(bad, (0, BAD_REACH)).unfold(1, BAD_REACH + 1, 1).any(-1)
    inner = (frame >= BAD_REACH) & (frame < last - BAD_REACH)
    edges = pad((left & right & inner).int(), (1, 1)).diff(dim=1).cpu()
    starts, ends = (edges == 1).nonzero(), (edges == -1).nonzero()
    return [
        (piece, start, end)
        for (piece, start), (_, end) in zip(
            starts.tolist(), ends.tolist(), strict=True
        )
        if end - start >= BAD_LEAST
    ]


def realigned_frames(reference, degraded, intervals):
    """Frames of bad intervals, shifted to where they fit the reference best.

    Arguments
    ---------
    reference : torch.Tensor
        ``[pieces, samples]``, filtered waves.
    degraded : torch.Tensor
        ``[pieces, samples]``, likewise.
    intervals : list of tuple
        As from ``bad_intervals``.

    Returns
    -------
    place : tuple of torch.Tensor
        ``[intervals, frames]`` each, piece and frame.
    shifted : torch.Tensor
        ``[intervals, frames, 512]``, samples.
    inside : torch.Tensor
        ``[intervals, frames]``, bool. Short intervals repeat their last frame,
        outside.
    """
    piece, start, end = torch.tensor(intervals, device=degraded.device).T
    longest = max(end - start for _, start, end in intervals)
    # All samples that a shifted frame can reach, zero outside of the wave.
    margins = (SEARCH, SEARCH + HOP * longest + FRAME)
    theirs = pad(degraded, margins)
    reach = torch.arange(margins[1] + SEARCH, device=degraded.device)
    index = HOP * start[:, None] + reach
    stretch = theirs[piece[:, None], index]
    with torch.no_grad():
        size = HOP * (end - start)[:, None] + FRAME
        ours = pad(reference.to(degraded), margins)
        ours = ours[piece[:, None], index].abs()
        inside = (reach >= SEARCH) & (reach < SEARCH + size)
        ours = torch.where(inside, ours, 0.0)
        around = torch.where(reach < 2 * SEARCH + size, stretch.abs(), 0.0)
        delay = _best_delay(ours, around)
    steps = torch.arange(longest, device=degraded.device)
    frame = torch.minimum(start[:, None] + steps, end[:, None] - 1)
    begin = SEARCH + delay[:, None] + HOP * (frame - start[:, None])
    samples = begin[..., None] + torch.arange(FRAME, device=degraded.device)
    shifted = stretch.gather(1, samples.flatten(1)).view_as(samples)
    place = (piece[:, None].expand_as(frame), frame)
    return place, shifted, steps < (end - start)[:, None]


def _best_delay(ours, theirs):
    """Return delays of the second of two magnitudes, ``[intervals]``.

    Both are ``[intervals, samples]``.
    """
    size = 2 ** (ours.shape[1] + SEARCH).bit_length()
    product = torch.fft.rfft(ours, size).conj() * torch.fft.rfft(theirs, size)
    correlation = torch.fft.irfft(product, size).roll(SEARCH, 1)
    correlation = correlation[:, : 2 * SEARCH]
    best, delay = correlation.max(1)
    norm = ours.square().sum(1) * theirs.square().sum(1)
    found = best >= LEAST_CORRELATION * norm.sqrt()
    return torch.where(found, delay - SEARCH, 0)
