"""Scores of disturbed weights, which are restored."""

import numpy as np
import pytest
from analysed_run import contents, rebuild
from experiments import weights

from okd_brain.analyses import measure_flatness


def test_flatness_starts_from_the_best(folder, datasets):
    brain = rebuild(folder)
    before = contents(folder)
    rows = measure_flatness(brain, datasets, [0.01, 1.0], draws=2)
    assert contents(folder) == before
    assert len(rows) == (1 + 2 * 2) * 2 * 2  # cases, splits, generators
    best, _ = rebuild(folder).test(
        datasets["valid"], "okd", brain.hparams.test_dataloader_opts
    )
    for row in rows[:2]:
        assert (row["split"], row["size"], row["draw"]) == ("valid", 0.0, 0)
        values = [scores["si_sdr"] for scores in best[row["system"]].values()]
        assert row["si_sdr"] == pytest.approx(np.mean(values), abs=1e-9)

    def change(size, draw):
        """Of SI-SDR in dB, the generator ``si_sdr`` on validation."""
        undisturbed, disturbed = (
            next(
                row["si_sdr"]
                for row in rows
                if (row["size"], row["draw"]) == case
            )
            for case in ((0.0, 0), (size, draw))
        )
        return disturbed - undisturbed

    for draw in (1, 2):
        assert 0 < abs(change(0.01, draw)) < abs(change(1.0, draw))
    assert change(1.0, 1) != change(1.0, 2)
    assert rows == measure_flatness(brain, datasets, [0.01, 1.0], draws=2)


def test_disturbed_weights_are_restored(folder, datasets):
    brain = rebuild(folder)
    measure_flatness(brain, datasets, [1.0], draws=1)
    expected = rebuild(folder)
    generators = expected.generators
    expected.selection.load_best(expected.checkpointer, "okd", generators)
    for target in brain.targets:
        kept = weights(generators[target])
        for name, value in weights(brain.generator(target)).items():
            assert value.equal(kept[name])


@pytest.mark.parametrize(
    ("sizes", "draws", "message"),
    [
        ([0.1, 0.0], 1, "A size is 0.0"),
        ([float("nan")], 1, "A size is nan"),
        ([0.1], 0, "draws is 0"),
    ],
)
def test_wrong_disturbances(folder, datasets, sizes, draws, message):
    with pytest.raises(ValueError, match=message):
        measure_flatness(rebuild(folder), datasets, sizes, draws)
