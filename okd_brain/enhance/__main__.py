"""``python -m okd_brain.enhance`` is ``okd-enhance``."""

import sys

from okd_brain.enhance.command import main

if __name__ == "__main__":
    sys.exit(main())
