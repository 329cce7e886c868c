"""Which networks an experiment has, and that each has an optimizer."""

import pytest
from experiments import load_hparams

from okd_brain.training import build_modules


def test_networks_are_those_of_the_targets(tmp_path):
    """Equal targets have a head each; networks are built one by one."""
    hparams = load_hparams(tmp_path, "--targets=[[si_sdr],[si_sdr],[segsnr]]")
    networks = build_modules(hparams)
    assert list(networks) == ["g_si_sdr", "g_si_sdr_2", "g_segsnr", "d"]
    modules = [target.module for target in networks.targets]
    assert modules == list(networks)[:3]
    heads = [head.name for head in networks.discriminator_heads["d"]]
    assert heads == ["si_sdr", "si_sdr_2", "segsnr"]
    assert networks["g_si_sdr"] is not networks["g_si_sdr_2"]


def test_unknown_discriminator_layout(tmp_path):
    hparams = load_hparams(tmp_path, "--discriminator=both")
    with pytest.raises(ValueError, match="must be 'shared'"):
        build_modules(hparams)
