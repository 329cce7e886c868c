"""Generators: sizes, published weights, the floor, causality, padding."""

import pytest
import torch
from speechbrain.lobes.models.MetricGAN import EnhancementGenerator
from speechbrain.utils.streaming import infer_dependency_matrix

from okd_brain.generators import (
    BandGainGenerator,
    BLSTMGenerator,
    CausalLSTMGenerator,
    run_lstm,
)
from okd_brain.signals import relative_frames


@pytest.mark.parametrize(
    "kind, size", [(BLSTMGenerator, 1_895_514), (CausalLSTMGenerator, 826_714)]
)
def test_sizes_are_the_papers(kind, size):
    """1.89 M and 0.82 M parameters (Shin et al. 2023)."""
    assert sum(p.numel() for p in kind().parameters()) == size


def test_metricgan_plus_weights_load():
    """The floor is all that distinguishes it from SpeechBrain's generator."""
    published = EnhancementGenerator().eval()
    ours = BLSTMGenerator().eval()
    ours.load_state_dict(published.state_dict())
    x = torch.rand(2, 30, 257)
    lengths = torch.ones(2)
    torch.testing.assert_close(
        ours(x, lengths), published(x, lengths).clamp(min=0.05)
    )


@pytest.mark.parametrize("kind", [BLSTMGenerator, CausalLSTMGenerator])
def test_mask_stays_within_floor_and_ceiling(kind):
    generator = kind().eval()
    with torch.no_grad():
        for sign in (-1, 1):
            generator.Learnable_sigmoid.slope.fill_(1e3 * sign)
            mask = generator(5 * torch.rand(1, 20, 257))
            assert mask.min() == pytest.approx(0.05, abs=1e-6)
            assert mask.max() <= 1.2


@pytest.mark.parametrize("kind", [BLSTMGenerator, CausalLSTMGenerator])
def test_padding_does_not_change_a_mask(kind):
    generator = kind().eval()
    x = torch.rand(2, 33, 257)
    frames = torch.tensor([33, 21])
    together = generator(x, relative_frames(frames))
    alone = generator(x[1:, :21], torch.ones(1))
    torch.testing.assert_close(together[1:, :21], alone, atol=1e-6, rtol=0)


def test_relative_frames_survive_truncation():
    """Every pair of lengths up to 700 frames, as SpeechBrain reads them."""
    longest = torch.arange(1, 701)
    for frames in (1, 17, 99, 350, 699):
        pairs = torch.stack([torch.full_like(longest, frames), longest], 1)
        for pair in pairs[pairs[:, 1] >= frames]:
            ratio = relative_frames(pair)
            assert (ratio * pair[1]).int().tolist() == pair.tolist()


def test_causal_generator_never_looks_ahead():
    generator = CausalLSTMGenerator().eval()
    matrix = infer_dependency_matrix(generator, seq_shape=[1, 12, 257])
    # [input frame, output frame]: 1 where one depends on the other
    assert torch.equal(matrix.bool(), torch.ones(12, 12).triu().bool())
    noncausal = infer_dependency_matrix(
        BLSTMGenerator().eval(), seq_shape=[1, 12, 257]
    )
    assert noncausal.bool().all()


@pytest.mark.parametrize("sizes", [[1] * 20, [20], [3, 7, 1, 9]])
@pytest.mark.parametrize(
    "kind, inputs", [(CausalLSTMGenerator, 257), (BandGainGenerator, 128)]
)
def test_steps_through_a_stream_are_the_generator(kind, inputs, sizes):
    torch.manual_seed(0)
    generator, x = kind().eval(), torch.rand(2, 20, inputs)
    memory, parts = None, []
    with torch.no_grad():
        for frames in x.split(sizes, dim=1):
            some, memory = generator.step(frames, memory)
            parts.append(some)
        expected = generator(x)
    torch.testing.assert_close(
        torch.cat(parts, dim=1), expected, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", [BLSTMGenerator, CausalLSTMGenerator])
def test_items_of_unequal_length_are_those_of_packed_sequences(kind):
    """SpeechBrain's own LSTM packs them; values and gradients are the same."""
    torch.manual_seed(0)
    generator = kind(dropout=0).double()
    lstm = getattr(generator, "blstm", None) or generator.lstm
    x = torch.rand(3, 20, 257, dtype=torch.float64)
    lengths = relative_frames(torch.tensor([20, 7, 13]))
    weight = torch.rand(20, 1, dtype=torch.float64)

    def outcome(out):
        generator.zero_grad()
        (out * weight).sum().backward()
        return [out.detach(), *(p.grad.clone() for p in lstm.parameters())]

    packed = outcome(lstm(x, lengths=lengths)[0])
    padded = outcome(run_lstm(lstm, x, lengths))
    torch.testing.assert_close(padded, packed, rtol=0, atol=1e-12)


def test_unequal_lengths_have_dropout_between_layers():
    lstm = BLSTMGenerator(dropout=0.5).blstm
    x, lengths = torch.rand(2, 10, 257), torch.tensor([1.0, 0.7])
    once, again = (run_lstm(lstm, x, lengths) for _ in range(2))
    assert not torch.equal(once, again)
    lstm.eval()
    once, again = (run_lstm(lstm, x, lengths) for _ in range(2))
    assert torch.equal(once, again)


def test_unequal_lengths_are_computed_in_full_precision():
    lstm = BLSTMGenerator(dropout=0).blstm
    x, lengths = torch.rand(2, 10, 257), torch.tensor([1.0, 0.7])
    plain = run_lstm(lstm, x, lengths)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(run_lstm(lstm, x, lengths), plain)
