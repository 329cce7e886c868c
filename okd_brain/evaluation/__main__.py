"""``python -m okd_brain.evaluation`` is ``evaluate.py`` of VoiceBank."""

import sys

from okd_brain.evaluation import main

if __name__ == "__main__":
    sys.exit(main())
