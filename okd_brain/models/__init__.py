"""Trained models that come with okd, a folder each, and the list of them.

A folder has the layout of an export, with a licence and checksums: drop one in
(``export.pack_model`` makes it), and its name works wherever a model is named.
``registry`` finds them.
"""

from okd_brain.cli import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "registry": [
            "DEFAULTS",
            "SSDRC",
            "TASKS",
            "default_model",
            "find_model",
            "known_models",
        ]
    },
)
