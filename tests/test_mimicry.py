"""Divergences against other implementations, and where their gradient goes."""

import pytest
import torch

from okd_brain.mimicry import from_peers, kl, l1, mse

FRAMES = torch.tensor([7, 4])


def pair(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, 2, 7, 5, generator=generator).unbind()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_kl_is_that_of_torch_distributions(temperature):
    student, teacher = pair()
    expected = []
    for item, frames in enumerate(FRAMES):
        distributions = [
            torch.distributions.Categorical(
                logits=spectrum[item, :frames] / temperature
            )
            for spectrum in (teacher, student)
        ]
        divergence = torch.distributions.kl_divergence(*distributions)
        expected.append(temperature**2 * divergence.mean())
    torch.testing.assert_close(
        kl(student, teacher, FRAMES, temperature), sum(expected) / 2
    )


@pytest.mark.parametrize(
    "ours, theirs",
    [(mse, torch.nn.functional.mse_loss), (l1, torch.nn.functional.l1_loss)],
)
def test_elementwise_divergences(ours, theirs):
    student, teacher = pair()
    apart = [
        theirs(student[item, :frames], teacher[item, :frames])
        for item, frames in enumerate(FRAMES)
    ]
    torch.testing.assert_close(ours(student, teacher, FRAMES), sum(apart) / 2)


@pytest.mark.parametrize("divergence", [mse, l1, kl])
def test_padding_never_counts(divergence):
    student, teacher = pair()
    value = divergence(student, teacher, FRAMES)
    student[1, 4:] = 9.0
    teacher[1, 4:] = -9.0
    assert divergence(student, teacher, FRAMES) == value
    assert divergence(student, student, FRAMES) == 0


@pytest.mark.parametrize("divergence", [mse, l1, kl])
def test_only_the_student_gets_a_gradient(divergence):
    outputs = [output.requires_grad_() for output in (*pair(1), pair(2)[0])]
    from_peers(divergence, outputs, 1, FRAMES).backward()
    assert [output.grad is not None for output in outputs] == [
        False,
        True,
        False,
    ]


def test_peers_are_summed_not_averaged():
    outputs = [*pair(1), pair(2)[0]]
    expected = mse(outputs[0], outputs[1], FRAMES) + mse(
        outputs[0], outputs[2], FRAMES
    )
    assert from_peers(mse, outputs, 0, FRAMES) == expected


def test_temperature_must_be_positive():
    with pytest.raises(ValueError, match="temperature .* is 0"):
        kl(*pair(), FRAMES, temperature=0)
