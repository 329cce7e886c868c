"""One training of seconds on cheap metrics, which all analyses look at."""

import pytest
from analysed_run import rebuild
from experiments import dataset, fit

SECONDS = 0.5


@pytest.fixture(scope="session")
def datasets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    return {
        split: dataset(folder / split, count, SECONDS, first)
        for split, count, first in (
            ("train", 1, 0),
            ("valid", 3, 1),
            ("test", 1, 4),
        )
    }


@pytest.fixture(scope="session")
def folder(tmp_path_factory, datasets):
    """The output folder of a training of four epochs, all kept."""
    folder = tmp_path_factory.mktemp("run")
    fit(rebuild(folder), datasets["train"], datasets["valid"])
    return folder
