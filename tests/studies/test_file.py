"""A study's YAML: what is read, and which mistakes are named."""

import pytest
from studies import STUDY, write_recipe

from okd_brain.studies import read_study


@pytest.fixture
def read(tmp_path):
    study = write_recipe(tmp_path)

    def read(text):
        study.write_text(text)
        return read_study(study, tmp_path / "hparams")

    return read


def test_what_is_read(read, tmp_path):
    study = read(STUDY)
    assert (study.name, study.metrics) == ("tiny", ["pesq", "csig"])
    warm, first, second = study.entries
    assert (
        warm.experiment == first.experiment == tmp_path / "hparams/first.yaml"
    )
    assert (warm.in_table, first.in_table) == (False, True)
    assert first.options == {
        "data_folder": "/corpus",
        "pretrained": "{warm}/export/pesq",
        "score": 1.0,
    }
    assert (first.needs, second.needs) == (("warm",), ())
    assert first.paper == {"pesq": {"pesq": 3.24}}


def test_options_of_an_entry_win_over_the_common_ones(read):
    study = read(STUDY.replace("score: 2", "data_folder: /other"))
    assert study.entries[2].options == {"data_folder": "/other"}


def test_metrics_and_options_of_a_base(read, tmp_path):
    read(STUDY)
    methods = "methods: {first: {options: {alpha: 1}}}"
    path = tmp_path / "other.yaml"
    path.write_text(f"base: tiny.yaml\noptions: {{score: 3}}\n{methods}")
    study = read_study(path, tmp_path / "hparams")
    [first] = study.entries
    assert (study.name, study.metrics) == ("other", ["pesq", "csig"])
    assert first.options == {"data_folder": "/corpus", "score": 3, "alpha": 1}
    path.write_text(f"base: tiny.yaml\nmetrics: [stoi]\n{methods}")
    assert read_study(path, tmp_path / "hparams").metrics == ["stoi"]


@pytest.mark.parametrize(
    "old, new, reason",
    [
        ("metrics: [pesq, csig]", "", "metrics is None, but it must be a list"),
        ("metrics: [pesq, csig]", "metrics: 3", "metrics is 3, but"),
        (STUDY, "[1, 2]", r"the file holds \[1, 2\], but 'key: value'"),
        (STUDY, "a: [", "is not YAML"),
        (STUDY, "[" * 3000, "is nested"),
        (STUDY, "a: &a [*a]", "refers to itself"),
        (STUDY, "? [a]\n: 1", "the key .* not a name"),
        (STUDY, "3: 4", "the key 3, not a name"),
        ("[pesq, csig]", "[pesq, 3]", r"metrics is \['pesq', 3\], but"),
        (STUDY, "metrics: [pesq]", "has no methods, but it needs one"),
        (
            "metrics:",
            "base: tiny.yaml\nmetrics:",
            "its base tiny.yaml leads back to it",
        ),
        (
            "metrics:",
            "base: 3\nmetrics:",
            "its base is 3, must be the name of a file",
        ),
        ("metrics:", "base: none.yaml\nmetrics:", "base: There is no .*none"),
        ("methods:", "method:", "key 'method'; did you mean 'methods'"),
        ("paper:", "papers:", "key 'papers'; did you mean 'paper'"),
        ("paper:", "in_table:", "first has the key 'in_table'"),
        ("second:", "secnd:", "no .*secnd.yaml; did you mean 'second'"),
        ("score: 2", "seed: 2", "seed is among the options, but study.py sets"),
        ("score: 2", "output_folder: x", "output_folder is among the options"),
        ("3.24", "about", "paper's pesq of pesq is 'about', but"),
        ("{pesq: 3.24}", "3.24", "pesq holds 3.24, but 'key: value'"),
        (
            "{warm}",
            "{warn}",
            r"{warn} is not a preparation.*did you mean 'warm'",
        ),
        (
            "    warm:",
            "    second:\n    warm:",
            "second is a preparation and a",
        ),
    ],
)
def test_mistakes_are_named(read, old, new, reason):
    assert old in STUDY
    with pytest.raises(ValueError, match=f"tiny.yaml.*{reason}"):
        read(STUDY.replace(old, new))


def test_preparations_come_before_what_needs_them(read):
    later = "        options: {pretrained: '{late}'}\n    late:\n"
    text = STUDY.replace(
        "        experiment: first\n",
        "        experiment: first\n" + later + "        experiment: first\n",
    )
    with pytest.raises(
        ValueError, match="{late} is not a preparation that comes"
    ):
        read(text)


def test_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="There is no file .*none.yaml"):
        read_study(tmp_path / "none.yaml", tmp_path)
