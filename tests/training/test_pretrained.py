"""Warm starts: which weights go where, and what is refused."""

import pytest
import torch
from experiments import dataset, fit, load_hparams, weights
from speechbrain.lobes.models.MetricGAN import EnhancementGenerator

from okd_brain.brain import OKDBrain
from okd_brain.discriminators import Discriminator
from okd_brain.export import export_discriminator, export_generator
from okd_brain.generators import BLSTMGenerator, CausalLSTMGenerator
from okd_brain.training import build_modules, start_from_pretrained

CAUSAL = "--generator=!name:okd_brain.generators.CausalLSTMGenerator"


def exported(folder, kind=CausalLSTMGenerator, seed=7):
    """Return a generator and the name of the folder it is exported to."""
    torch.manual_seed(seed)
    generator = kind()
    export_generator(generator, folder, name=folder.name, details={})
    return generator, str(folder)


def exported_heads(folder, *networks):
    """Return discriminators of these heads and the name of their folder."""
    torch.manual_seed(8)
    discriminators = [Discriminator(heads=len(heads)) for heads in networks]
    export_discriminator(discriminators, folder, heads=networks)
    return discriminators, str(folder)


def start(tmp_path, pretrained, *overrides):
    """Build the networks of a causal experiment and start them warm."""
    hparams = load_hparams(tmp_path / "run", CAUSAL, *overrides)
    hparams["pretrained"] = pretrained
    modules = build_modules(hparams)
    before = {name: weights(module) for name, module in modules.items()}
    return modules, before, start_from_pretrained(modules, hparams)


def same(module, other):
    return all(
        value.equal(other.state_dict()[key])
        for key, value in module.state_dict().items()
    )


def test_one_source_for_all_generators(tmp_path):
    source, folder = exported(tmp_path / "g")
    modules, before, started = start(tmp_path, folder)
    assert started == ["g_si_sdr", "g_segsnr"]
    assert same(modules["g_si_sdr"], source)
    assert same(modules["g_segsnr"], source)
    assert modules["g_si_sdr"].linear1 is not modules["g_segsnr"].linear1
    assert modules["g_si_sdr"].training
    assert all(
        value.equal(before["d"][key])
        for key, value in weights(modules["d"]).items()
    )


def test_sources_by_target(tmp_path):
    one, first = exported(tmp_path / "one", seed=1)
    two, second = exported(tmp_path / "two", seed=2)
    modules, before, started = start(tmp_path, {"segsnr": first})
    assert started == ["g_segsnr"]
    assert same(modules["g_segsnr"], one)
    for key, value in weights(modules["g_si_sdr"]).items():
        assert value.equal(before["g_si_sdr"][key])

    modules, _, _ = start(tmp_path, {"generators": first, "segsnr": second})
    assert same(modules["g_si_sdr"], one)
    assert same(modules["g_segsnr"], two)


def test_a_folder_of_speechbrains_metricgan_plus(tmp_path):
    torch.manual_seed(0)
    published = EnhancementGenerator()
    (tmp_path / "published").mkdir()
    torch.save(
        published.state_dict(), tmp_path / "published" / "enhance_model.ckpt"
    )
    hparams = load_hparams(tmp_path / "run", "--targets=[[si_sdr]]")
    hparams["pretrained"] = str(tmp_path / "published")
    modules = build_modules(hparams)
    start_from_pretrained(modules, hparams)
    assert same(modules["g_si_sdr"], published)
    assert type(modules["g_si_sdr"]) is BLSTMGenerator


def test_heads_are_matched_by_name(tmp_path):
    """In whatever order: the scores of each head stay those of that head."""
    targets = "--targets=[[si_sdr],[csig+cbak]]"
    [source], folder = exported_heads(tmp_path / "d", ["cbak+csig", "si_sdr"])
    modules, _, started = start(tmp_path, {"discriminator": folder}, targets)
    assert started == ["d"]
    pair, frames = torch.rand(1, 2, 30, 257), torch.tensor([30])
    for _ in range(2):  # in training mode spectral norm's vectors move
        theirs, ours = source(pair, frames), modules["d"](pair, frames)
        torch.testing.assert_close(ours, theirs.flip(1), atol=1e-6, rtol=0)


def test_heads_of_one_metric_are_told_apart(tmp_path):
    """A run of equal targets starts from its own export; part of it does not do."""
    targets = "--targets=[[si_sdr],[si_sdr]]"
    [source], folder = exported_heads(tmp_path / "d", ["si_sdr", "si_sdr_2"])
    modules, _, _ = start(tmp_path, {"discriminator": folder}, targets)
    assert same(modules["d"], source)
    _, part = exported_heads(tmp_path / "part", ["si_sdr"])
    with pytest.raises(ValueError, match="just the heads si_sdr and si_sdr_2"):
        start(tmp_path, {"discriminator": part}, targets)


def test_separate_discriminators_find_theirs(tmp_path):
    (first, second), folder = exported_heads(
        tmp_path / "d", ["segsnr"], ["si_sdr"]
    )
    modules, _, started = start(
        tmp_path, {"discriminator": folder}, "--discriminator=separate"
    )
    assert started == ["d_si_sdr", "d_segsnr"]
    assert same(modules["d_segsnr"], first)
    assert same(modules["d_si_sdr"], second)
    modules, _, started = start(
        tmp_path, {"discriminator": folder}, "--targets=[[si_sdr]]"
    )
    assert started == ["d"]  # one of the folder's networks is enough
    assert same(modules["d"], second)


@pytest.mark.parametrize(
    "networks, reason",
    [
        ([["si_sdr"]], "no network of just the heads si_sdr and segsnr"),
        ([["si_sdr", "segsnr", "stoi"]], "have: segsnr and si_sdr and stoi"),
        ([["si_sdr"], ["segsnr"]], "have: si_sdr; segsnr"),
    ],
)
def test_heads_without_a_counterpart(tmp_path, networks, reason):
    _, folder = exported_heads(tmp_path / "d", *networks)
    with pytest.raises(ValueError, match=f"pretrained discrim.*{reason}"):
        start(tmp_path, {"discriminator": folder})


def test_weights_of_another_network(tmp_path):
    _, folder = exported(tmp_path / "g", BLSTMGenerator)
    with pytest.raises(ValueError) as error:
        start(tmp_path, {"segsnr": folder})
    said = str(error.value)
    assert said.startswith("pretrained segsnr: ") and folder in said
    assert "Missing key" in said and "Unexpected key" in said
    odd = Discriminator(heads=2, channels=3, normalise=False)
    export_discriminator([odd], tmp_path / "d", heads=[["si_sdr", "segsnr"]])
    with pytest.raises(ValueError, match="pretrained discr.*does not fit"):
        start(tmp_path, {"discriminator": str(tmp_path / "d")})


@pytest.mark.parametrize(
    "pretrained, reason",
    [
        ({"sisdr": "x"}, "names 'sisdr'.*did you mean 'si_sdr'"),
        ({"zzz": "x"}, "have. Known: si_sdr, segsnr, generators, discrimin"),
        ({"segsnr": None}, "pretrained segsnr is None, but it must be a fold"),
        (["x"], r"pretrained is \['x'\], but it must be one source"),
        ("no folder", "pretrained si_sdr: 'no folder' is not a folder"),
        (
            {"discriminator": "none"},
            "none is not a folder of exported discrimi",
        ),
    ],
)
def test_mistakes_are_named(tmp_path, pretrained, reason):
    with pytest.raises(ValueError, match=reason):
        start(tmp_path, pretrained)


def test_a_discriminator_does_not_learn_from_untrained_generators(tmp_path):
    _, folder = exported(tmp_path / "g")
    stages = ("--number_of_epochs=0", "--discriminator_epochs=1")
    for pretrained in (None, {"si_sdr": folder}):
        with pytest.raises(ValueError, match="an untrained generator s"):
            start(tmp_path, pretrained, *stages)
    assert start(tmp_path, folder, *stages)[2] == ["g_si_sdr", "g_segsnr"]


def test_nothing_named_nothing_done(tmp_path):
    assert start(tmp_path, None)[2] == []


def test_a_run_that_goes_on_keeps_its_own_weights(tmp_path):
    source, folder = exported(tmp_path / "g")
    train = dataset(tmp_path / "train", 2)

    def brain(epochs):
        hparams = load_hparams(
            tmp_path / "run",
            CAUSAL,
            "--discriminator_network=!name:small_networks.NormedDiscriminator",
            f"--number_of_epochs={epochs}",
            f"--pretrained={folder}",
        )
        modules = build_modules(hparams)
        started = start_from_pretrained(modules, hparams)
        return started, OKDBrain(
            modules=modules,
            hparams=hparams,
            run_opts={"device": "cpu", "noprogressbar": True},
            checkpointer=hparams["checkpointer"],
        )

    started, first = brain(2)
    assert started == ["g_si_sdr", "g_segsnr"]
    assert same(first.modules["g_si_sdr"], source)
    fit(first, train)
    assert not same(first.modules["g_si_sdr"], source)
    (tmp_path / "g").rename(tmp_path / "gone")  # not even looked at
    started, second = brain(2)
    assert started == []
    second.on_fit_start()
    for key, value in weights(first.modules["g_si_sdr"]).items():
        assert value.equal(weights(second.modules["g_si_sdr"])[key])
