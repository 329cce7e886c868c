"""Experiments that differ from another in a few lines: which, and in what."""

import re

import pytest
from experiments import BASE, RECIPE
from hyperpyyaml import load_hyperpyyaml

from okd_brain.config import read_experiment
from okd_brain.generators import BLSTMGenerator, CausalLSTMGenerator
from okd_brain.metrics import heads_of, parse_targets
from okd_brain.mimicry import kl, l1
from okd_brain.training import discriminator_heads

HPARAMS = RECIPE / "hparams"
OVERLAYS = sorted(path for path in HPARAMS.glob("*.yaml") if path != BASE)

# DESIGN section 6: targets of the generators, networks of the discriminator.
METHODS = {
    "metricgan_plus_pesq": (["pesq"], [["pesq"]]),
    "metricgan_plus_csig": (["csig"], [["csig"]]),
    "multi_node": (["pesq_csig"], [["pesq", "csig"]]),
    "multi_node_weighted": (["3pesq_csig"], [["pesq", "csig"]]),
    "multi_discriminator": (["pesq_csig"], [["pesq"], ["csig"]]),
    "okd_v1": (["pesq", "csig"], [["pesq"], ["csig"]]),
    "okd_v2": (["pesq", "csig"], [["pesq", "csig"]]),
    "same_metric": (["pesq", "pesq_2"], [["pesq", "pesq_2"]]),
    "okd_pesq_composite": (
        ["pesq", "csig+cbak+covl"],
        [["pesq", "csig+cbak+covl"]],
    ),
    "three_generators": (["pesq", "csig", "cbak"], [["pesq", "csig", "cbak"]]),
    "okd_pesq_csig_cbak_covl": (
        ["pesq", "csig", "cbak", "covl"],
        [["pesq", "csig", "cbak", "covl"]],
    ),
}


def load(name, tmp_path):
    """Load an experiment with its objects."""
    argv = [str(HPARAMS / f"{name}.yaml"), "--data_folder=x"]
    argv.append(f"--output_folder={tmp_path}")
    return load_hyperpyyaml(read_experiment(argv).yaml)


@pytest.mark.parametrize("name", METHODS)
def test_each_method_has_its_networks(name, tmp_path):
    hparams = load(name, tmp_path)
    targets = parse_targets(hparams["targets"])
    names = [target.name for target in targets]
    networks = discriminator_heads(heads_of(targets), hparams["discriminator"])
    heads = [[head.name for head in own] for own in networks.values()]
    assert (names, heads) == METHODS[name]


def test_only_the_causal_ones_are_causal(tmp_path):
    for path in [BASE, *OVERLAYS]:
        causal = path.stem.endswith(("_causal", "default_model"))
        kind = CausalLSTMGenerator if causal else BLSTMGenerator
        generator = load(path.stem, tmp_path / path.stem)["generator"]
        assert generator is kind, path.stem


def test_the_ablations_have_their_values(tmp_path):
    for weight in (0, 1, 10):
        hparams = load(f"alpha_{weight}", tmp_path)
        assert hparams["alpha"] == float(weight)
    assert load("mimicry_l1", tmp_path)["mimicry"] is l1
    assert load("mimicry_kl", tmp_path)["mimicry"] is kl
    assert load("history_0", tmp_path)["curriculum"].history_portion == 0


def test_the_linear_label_of_pesq(tmp_path):
    """(x + 0.5) / 5, Fu et al. 2021; that of the base is logistic."""
    [[linear], _] = load("pesq_linear", tmp_path)["targets"]
    [target, _] = parse_targets(load("okd_v2", tmp_path)["targets"])
    assert linear.normalise(2.0) == pytest.approx(0.5)
    assert linear.normalise(3.0) == pytest.approx(0.7)
    assert target.metrics[0].normalise(2.5) == pytest.approx(0.5)


def test_the_table_of_experiments_names_no_others():
    quoted = set(re.findall(r"`([\w.]+)`", (HPARAMS / "README.md").read_text()))
    others = {"pesq", "csig", "base", "pretrained", "train.py", BASE.name}
    assert quoted - others <= {path.stem for path in [BASE, *OVERLAYS]}
