"""The listening page: results as one folder that a browser opens.

``content`` reads what `train.py` and `evaluate.py` have left (scores, conditions,
samples) and writes the folder; ``command`` is ``okd-report``. The page itself is
in ``static``: HTML, CSS and JavaScript, and in ``static/vendor`` the libraries
that ``tools/vendor_web.sh`` has fetched. It asks for nothing outside its folder.
"""

from okd_brain.cli import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {"command": ["main"], "content": ["make_page", "read_results", "show_run"]},
)
