"""``python -m okd_brain.evaluation`` is ``okd-evaluate``."""

import sys

from okd_brain.evaluation import main

if __name__ == "__main__":
    sys.exit(main())
