"""Many experiments and seeds, in one table: ``study.py`` of the recipes.

``file`` reads a study's YAML: preparations, methods, their options. ``plan``
turns it into runs, each an ordinary ``train.py`` with a command line and an
output folder; ``runs`` starts those that are not done, here or on a cluster,
and ``table`` gathers their ``results.json``. ``command`` ties these together.
"""

from okd_brain.studies.command import main
from okd_brain.studies.file import read_study
from okd_brain.studies.plan import parse_overrides, plan_runs, record_options

__all__ = [
    "main",
    "parse_overrides",
    "plan_runs",
    "read_study",
    "record_options",
]
