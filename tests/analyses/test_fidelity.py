"""Surrogates against true metrics: a twin follows, an untrained D does not."""

import numpy as np
import pytest
import torch
from analysed_run import contents
from experiments import make_small_brain

from okd_brain.analyses import fidelity_table, measure_fidelity

EDITS = [
    "mask power",
    "smooth tilt",
    "smooth gain",
    "noise put back",
    "blend with clean",
]


def saved(folder, *overrides, epoch=3, value=1.0):
    """Return a brain whose untrained networks are its best checkpoint."""
    brain = make_small_brain(folder, "--targets=[[si_sdr]]", *overrides)
    torch.manual_seed(epoch)
    for name, module in brain.modules.items():
        if name.startswith("d"):
            for parameter in module.parameters():
                torch.nn.init.normal_(parameter, std=0.01)
    brain.checkpointer.save_checkpoint(
        meta={
            "epoch": epoch,
            "phase": "okd",
            "steps": {},
            "chosen_on": "valid",
            "okd/si_sdr": value,
        }
    )
    return brain


def by_kind(rows):
    return {row["kind"]: row for row in rows}


def test_a_twin_follows_its_metric(tmp_path, datasets):
    brain = saved(tmp_path, "--surrogate=twin")
    before = contents(tmp_path)
    rows = measure_fidelity(brain, datasets["valid"], 3)
    assert contents(tmp_path) == before
    found = by_kind(rows)
    for kind in ("all edits", "small changes", *EDITS):
        assert found[kind]["sign_agreement"] == 1, kind
    for kind in ("all edits", "small changes"):
        assert found[kind]["pearson"] > 0.99, kind
    assert found["all edits"]["changes"] == 3 * 19
    assert 0 < found["small changes"]["changes"] < 3 * 19
    assert found["noise put back"]["rises"] < found["blend with clean"]["rises"]
    assert found["blend with clean"]["rises"] == 1
    # The steepest way up is better than the straight one, if steps are short.
    for size in (0.003, 0.01):
        own, aim = (
            found[f"{kind} {size}"] for kind in ("own gradient", "supervised")
        )
        assert own["changes"] == aim["changes"] == 3
        assert own["rises"] == aim["rises"] == 1
        assert own["sign_agreement"] == 1
        assert own["gain"] > aim["gain"]
    assert rows[0] | {"surrogate": "twin", "head": "si_sdr"} == rows[0]
    assert rows == measure_fidelity(brain, datasets["valid"], 3)


def test_an_untrained_discriminator_does_not(tmp_path, datasets):
    brain = saved(tmp_path, "--surrogate=discriminator")
    found = by_kind(measure_fidelity(brain, datasets["valid"], 3))
    assert found["all edits"]["surrogate"] == "discriminator"
    assert found["all edits"]["sign_agreement"] < 0.9
    assert found["all edits"]["pearson"] < 0.9
    step, aim = found["own gradient 0.01"], found["supervised 0.01"]
    assert step["gain"] < aim["gain"] / 10
    assert aim["rises"] == 1


def test_a_residual_is_the_sum(tmp_path, datasets, monkeypatch):
    """This D knows nothing, and its part spoils what the twin knows."""
    brain = saved(tmp_path, "--surrogate=residual")
    spoilt = by_kind(measure_fidelity(brain, datasets["valid"], 2))
    monkeypatch.setattr(
        brain,
        "discriminate",
        lambda spectrum, *_, **__: 0 * spectrum.mean().reshape(1, 1),
    )
    silent = by_kind(measure_fidelity(brain, datasets["valid"], 2))
    assert silent["all edits"]["surrogate"] == "residual"
    assert silent["all edits"]["pearson"] > 0.999
    assert spoilt["all edits"]["pearson"] < 0.9


def test_the_best_checkpoint_or_a_given_one(tmp_path, datasets):
    saved(tmp_path, "--surrogate=discriminator", epoch=5, value=2.0)
    brain = saved(tmp_path, "--surrogate=discriminator", epoch=6, value=1.0)
    best = measure_fidelity(brain, datasets["valid"], 1)
    given = measure_fidelity(brain, datasets["valid"], 1, epoch=6)
    assert [row["epoch"] for row in (best[0], given[0])] == [5, 6]
    assert best == measure_fidelity(brain, datasets["valid"], 1, epoch=5)
    assert best[0]["pearson"] != given[0]["pearson"]  # D's weights, too


def test_every_term_of_every_target_has_its_rows(tmp_path, datasets):
    brain = saved(
        tmp_path, "--targets=[[si_sdr, segsnr], [si_sdr]]", "--surrogate=twin"
    )
    rows = measure_fidelity(brain, datasets["valid"], 1, epoch=3)
    heads = dict.fromkeys(
        (row["generator"], row["head"], row["surrogate"]) for row in rows
    )
    assert list(heads) == [
        ("si_sdr_segsnr", "si_sdr", "twin"),
        ("si_sdr_segsnr", "segsnr", "twin"),
        ("si_sdr", "si_sdr_2", "twin"),
    ]
    assert all(
        row["sign_agreement"] == 1 for row in rows if row["kind"] == "all edits"
    )
    lines = fidelity_table(rows).splitlines()
    assert len(lines) == 2 + len(rows)
    assert lines[2].startswith(
        "| si_sdr_segsnr | si_sdr | twin | 3 | all edits | 19 |"
    )


def test_an_utterance_without_a_score_is_left_out(
    tmp_path, datasets, monkeypatch
):
    brain = saved(tmp_path, "--surrogate=twin")
    monkeypatch.setattr(
        "okd_brain.scoring.Scorer.score",
        lambda self, pairs, names: np.full((len(pairs), 1), np.nan),
    )
    rows = measure_fidelity(brain, datasets["valid"], 1)
    assert [row["changes"] for row in rows] == [0, 0]
    assert np.isnan(rows[0]["gain"]) and np.isnan(rows[0]["pearson"])


@pytest.mark.parametrize(
    ("overrides", "options", "message"),
    [
        (
            ["--adversarial_weight=0"],
            (1,),
            "adversarial_weight is 0.*no surrogate",
        ),
        ([], (0,), "number of utterances is 0"),
        ([], (1, 7), "no checkpoint of epoch 7"),
        ([], (1,), "no validated checkpoint of stage 'okd' for si_sdr"),
    ],
)
def test_wrong_arguments(tmp_path, datasets, overrides, options, message):
    brain = make_small_brain(tmp_path, "--targets=[[si_sdr]]", *overrides)
    with pytest.raises(ValueError, match=message) as error:
        measure_fidelity(brain, datasets["valid"], *options)
    assert type(error.value).__name__ == "UserError"
