"""The files of both recipes: experiments, their tables, SpeechBrain's list."""

import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import ruamel.yaml
from experiments import BASE, LE_BASE, LE_RECIPE, RECIPE, TESTS

from okd_brain.config import read_experiment

MAX_OVERLAY_LINES = 12  # a screen at most; DESIGN section 6
MAX_SCHEDULE_LINES = 14  # they have no base that they could share


class Files(NamedTuple):
    """What a recipe consists of."""

    base: Path
    table: Path  # the text that lists its experiments
    listing: Path  # SpeechBrain's list of recipe tests
    name_only: frozenset  # experiments that differ in their name alone

    @property
    def hparams(self):
        folder = self.base.parent
        return sorted([*folder.glob("*.yaml"), *folder.glob("fast/*.yaml")])

    @property
    def overlays(self):
        return [path for path in self.hparams if path != self.base]

    @property
    def schedules(self):
        return sorted((self.base.parent / "schedules").glob("*.yaml"))

    @property
    def rows(self):
        with open(self.listing, newline="") as file:
            return list(csv.DictReader(file))


RECIPES = [
    Files(
        BASE,
        RECIPE / "hparams" / "README.md",
        TESTS / "recipes" / "VoiceBank.csv",
        frozenset({"okd_v2"}),  # the base, in a table of methods
    ),
    Files(
        LE_BASE,
        LE_RECIPE / "README.md",
        TESTS / "recipes" / "LE.csv",
        frozenset(),
    ),
]
every_recipe = pytest.mark.parametrize(
    "recipe", RECIPES, ids=lambda recipe: recipe.listing.stem
)


def text(node):
    """Return a node of a YAML tree as text, tags included, comments not."""
    stream = io.StringIO()
    ruamel.yaml.YAML().dump({"node": node}, stream)
    return re.sub(r"\s+#.*|\s+", " ", stream.getvalue()).strip()


def keys(path):
    """Return what the experiment of a file sets, key by key, as text."""
    merged = read_experiment([str(path), "--data_folder=x"]).yaml
    tree = ruamel.yaml.YAML().load(merged)
    return {key: text(value) for key, value in tree.items()}


def hparams_of(path):
    """Return the folder of a recipe's experiments, of which fast/ is a part."""
    return path.parents[path.parent.name == "fast"]


@pytest.mark.parametrize(
    "path",
    [path for recipe in RECIPES for path in recipe.overlays],
    ids=lambda path: (
        f"{hparams_of(path).parts[-3]}-{path.parent.stem}-{path.stem}"
    ),
)
def test_an_overlay_changes_its_lines_and_no_others(path):
    overlay = ruamel.yaml.YAML().load(path)
    ours, bases = keys(path), keys(path.parent / overlay.pop("base"))
    changed = {key for key in ours if ours[key] != bases.get(key)}
    if "schedule" in overlay:
        schedule = hparams_of(path) / overlay["schedule"]
        overlay.update(ruamel.yaml.YAML().load(schedule))
    assert changed == set(overlay)  # nothing else, and nothing in vain
    assert set(bases) <= set(ours)
    name = path.relative_to(hparams_of(path)).with_suffix("")
    assert ours["output_folder"] == f"node: !ref results/{name}/<seed>"


@every_recipe
def test_no_two_experiments_are_the_same(recipe):
    seen = {}
    for path in recipe.hparams:
        experiment = keys(path)
        folder = experiment.pop("output_folder")
        frozen = tuple(sorted(experiment.items()))
        if path.stem in recipe.name_only:
            base = keys(recipe.base)
            assert folder != base.pop("output_folder")
            assert experiment == base
        else:
            assert frozen not in seen, (path.stem, seen[frozen])
            seen[frozen] = path.stem


@every_recipe
def test_overlays_are_short(recipe):
    for path in recipe.overlays + recipe.schedules:
        lines = [
            line
            for line in path.read_text().splitlines()
            if line.strip() and not line.startswith("#")
        ]
        if path in recipe.schedules:
            assert len(lines) <= MAX_SCHEDULE_LINES, path
        else:
            assert len(lines) <= MAX_OVERLAY_LINES, path
            assert "base" in ruamel.yaml.YAML().load(path)


@every_recipe
def test_the_table_of_experiments_is_complete(recipe):
    quoted = set(re.findall(r"`(?:fast/)?([\w.]+)`", recipe.table.read_text()))
    assert {path.stem for path in recipe.hparams} <= quoted


@every_recipe
def test_every_yaml_is_listed_with_files_that_exist(recipe):
    root = TESTS.parent
    listed = [root / row["Hparam_file"] for row in recipe.rows]
    assert listed == recipe.hparams
    for row in recipe.rows:
        for column, name in row.items():
            assert not column.endswith("_file") or (root / name).is_file()


@every_recipe
def test_every_key_of_the_yaml_is_used(recipe):
    """SpeechBrain's check, with the package read besides the script."""
    sources = [recipe.base.parent.parent / "train.py"]
    sources += sorted((TESTS.parent / "okd_brain").rglob("*.py"))
    code = "\n".join(path.read_text() for path in sources)
    base = recipe.base.read_text()
    run_options = {
        "max_grad_norm",
        "skip_nonfinite_grads",
        "precision",
        "ckpt_interval_minutes",
    }
    for key in ruamel.yaml.YAML().load(recipe.base):
        used = (
            f'hparams["{key}"]' in code
            or re.search(rf"hparams\.{key}\b", code)
            or re.search(rf"<{key}\b", base)
            or key in run_options
            or key in ("schedule", "data_folder", "overwrite", "__set_seed")
        )
        assert used, key
