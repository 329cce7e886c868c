"""Many experiments and seeds, in one table: ``study.py`` of the recipes.

``file`` reads a study's YAML: preparations, methods, their options. ``plan``
turns it into runs, each an ordinary ``train.py`` with a command line and an
output folder; ``runs`` starts those that are not done, here or on a cluster,
and says where they are; ``table`` gathers their ``results.json``. ``command``
ties these together.
"""

from okd_brain.cli import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "command": ["main"],
        "file": ["read_study"],
        "plan": ["parse_overrides", "plan_runs", "record_options"],
    },
)
