"""What ``begin_run`` refuses, before anything is written."""

import pytest
from experiments import BASE, LE_BASE

from okd_brain.config import read_experiment
from okd_brain.messages import UserError
from okd_brain.survival import LOCK, NOTE
from okd_brain.training import begin_run


@pytest.mark.parametrize("base", [BASE, LE_BASE], ids=["SE", "LE"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--surrogate=twn"], "surrogate of .* is 'twn'; did you mean 'twin'"),
        (["--surrogate={mine: twin}"], "surrogate: no target 'mine'"),
        (["--average_decay=1.5"], "average_decay is 1.5, must be between 0"),
        (["--warmup_patience=0"], "warmup_patience is 0, must be a whole"),
        (["--fidelity_gate=2.0"], "fidelity_gate is 2.0, must be a sign"),
        (["--fidelity_gate=0.8"], "but fidelity_utterances is 0"),
        (["--targets=[[psq]]"], "did you mean 'pesq'"),
        (["--report_metrics=[psq]"], "did you mean 'pesq'"),
        (["--discriminator=split"], "discriminator is 'split', but"),
        (["--selection=train"], "selection is 'train', but"),
        (["--supervised_weight=-1"], "supervised_weight is -1, must be"),
        (["--checkpoints_to_keep=0"], "checkpoints_to_keep is 0, must be"),
        (["--optimizer_step_limit=3"], "would cut an epoch short"),
        (["--alpha=-1"], "alpha is -1, must be .* 0 trains without mimicry"),
        (
            ["--adversarial_weight=0"],
            "adversarial_weight and supervised_weight",
        ),
    ],
)
def test_wrong_values_leave_no_folder(tmp_path, base, options, message):
    output = tmp_path / "out"
    experiment = read_experiment(
        [str(base), f"--output_folder={output}", "--device=cpu", *options]
    )
    with pytest.raises(UserError, match=message):
        begin_run(experiment)
    assert not output.exists()


@pytest.mark.parametrize("base", [BASE, LE_BASE], ids=["SE", "LE"])
@pytest.mark.parametrize(
    "options",
    [
        ["--adversarial_weight=0", "--supervised_weight=1.0"],
        ["--adversarial_weight=0", "--number_of_epochs=0", "--warmup_epochs=1"],
    ],
    ids=["control", "warm start"],
)
def test_a_control_and_a_warm_start_are_accepted(tmp_path, base, options):
    output = tmp_path / "out"
    begin_run(
        read_experiment(
            [str(base), f"--output_folder={output}", "--device=cpu", *options]
        )
    )
    assert {path.name for path in output.rglob("*")} == {LOCK, NOTE}
