"""WSS, LLR and segmental SNR against loops, and where they must not bend."""

import composite_loops as loops
import numpy as np
import pytest
from scoring_signals import noisy, speech

from okd_brain.measures import CompositeReference, composite
from okd_brain.measures.composite import (
    constant_predictor,
    frame_spectra,
    predictors,
)

UTTERANCES = [0, 20, 40]


def per_frame(reference, degraded):
    """LLR of every frame, not trimmed."""
    halves = CompositeReference(reference)
    return halves._llr(predictors(frame_spectra(degraded)))


@pytest.mark.parametrize("index", UTTERANCES)
def test_distances_equal_the_loops_on_real_speech(index):
    clean, degraded = speech(index), noisy(index)
    ours = CompositeReference(clean).distances(degraded)
    wss = loops.trimmed(loops.wss(clean, degraded))
    segsnr_db = np.mean(loops.segmental_snr(clean, degraded))
    assert ours.wss == pytest.approx(wss, abs=1e-9)
    assert ours.segsnr_db == pytest.approx(segsnr_db, abs=1e-9)
    every_llr = loops.llr(clean, degraded)
    assert ours.llr == pytest.approx(loops.trimmed(every_llr), abs=1e-9)
    np.testing.assert_allclose(
        per_frame(clean, degraded), every_llr, rtol=0, atol=1e-8
    )


@pytest.mark.parametrize("index", UTTERANCES)
def test_muting_half_of_the_output_costs(index):
    clean, degraded = speech(index), noisy(index)
    muted = degraded.copy()
    muted[len(muted) // 2 :] = 0
    before = CompositeReference(clean).distances(degraded)
    after = CompositeReference(clean).distances(muted)
    assert after.llr > before.llr + 0.5
    assert after.segsnr_db < before.segsnr_db
    expected = loops.trimmed(loops.llr(clean, muted))
    assert after.llr == pytest.approx(expected, abs=1e-6)


def test_a_pause_of_digital_silence_in_both_is_perfect():
    clean = speech().copy()
    clean[8000:12000] = 0
    distances = CompositeReference(clean).distances(clean)
    assert distances.wss == 0
    assert distances.llr == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_a_constant_frame_has_the_filter_of_the_window_at_any_level(offset):
    signal = np.full(1000, offset)
    filters = predictors(frame_spectra(signal))
    expected = constant_predictor()[:, None]
    np.testing.assert_array_equal(filters - expected, 0)


@pytest.mark.parametrize("scale", [1e-3, 100.0])
def test_llr_and_segmental_snr_do_not_hear_the_level_of_the_output(scale):
    clean, degraded = speech(), noisy()
    halves = CompositeReference(clean)
    at_level, scaled = map(halves.distances, (degraded, scale * degraded))
    assert scaled.llr == pytest.approx(at_level.llr, abs=1e-9)
    assert scaled.segsnr_db == pytest.approx(at_level.segsnr_db, abs=1e-9)


def test_one_reference_serves_many_and_changes_nothing():
    clean = speech().astype(np.float32)
    outputs = [noisy(snr_db=snr_db) for snr_db in (0.0, 10.0)]
    copies = [clean.copy(), *(output.copy() for output in outputs)]
    halves = CompositeReference(clean)
    together = [halves.distances(output) for output in outputs]
    for output, distances in zip(outputs, together, strict=True):
        assert CompositeReference(clean).distances(output) == distances
    for array, copy in zip([clean, *outputs], copies, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("block_frames", [1, 7, 1000])
def test_the_size_of_blocks_does_not_matter(monkeypatch, block_frames):
    expected = CompositeReference(speech()).distances(noisy())
    monkeypatch.setattr(composite, "BLOCK_FRAMES", block_frames)
    distances = CompositeReference(speech()).distances(noisy())
    assert distances == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("samples", [0, 599])
def test_less_than_a_frame_is_refused(samples):
    with pytest.raises(ValueError, match=f"600 samples.*got {samples}"):
        CompositeReference(np.ones(samples))


def test_one_frame_is_enough():
    rng = np.random.default_rng(0)
    clean, other = rng.standard_normal((2, 600))
    ours = CompositeReference(clean).distances(other)
    assert ours.wss == pytest.approx(loops.wss(clean, other)[0], abs=1e-9)


def test_nbytes_counts_what_is_kept():
    halves = CompositeReference(speech())
    samples = speech().nbytes
    assert samples < halves.nbytes < 3 * samples


@pytest.mark.parametrize("index", UTTERANCES)
def test_scores_are_those_of_the_authors_definition(index):
    """Their LLR is in float32; nothing else differs without silent frames."""
    clean, degraded = speech(index), noisy(index, 25.0)
    ours = CompositeReference(clean).distances(degraded)
    single = loops.trimmed(np.nan_to_num(loops.llr_in_float32(clean, degraded)))
    assert abs(ours.llr - single) > 0  # it is another computation
    # CSIG has 1.029 LLR, COVL 0.512 LLR; CBAK has none.
    assert 1.029 * ours.llr == pytest.approx(1.029 * single, abs=6e-3)


@pytest.mark.parametrize("offset", [1.0, 1e3])
@pytest.mark.parametrize("level", [1.0, 1e-6, 1e-12])
def test_distances_are_finite_where_rounding_rules(offset, level):
    halves = CompositeReference(speech())
    for signal in (
        noisy(),
        np.sign(noisy()),
        np.eye(1, len(speech()), 9000)[0],
    ):
        distances = halves.distances(level * signal + offset)
        assert np.isfinite(distances).all()
    flat = CompositeReference(level * speech() + offset)
    assert np.isfinite(flat.distances(noisy())).all()
