#!/usr/bin/env python3
r"""One table of models, checkpoints, hub models and other systems' output.

To run this, do the following (--help says more):
> python evaluate.py results/okd_pesq_csig/1 speechbrain/metricgan-plus-voicebank \
      /their/enhanced=theirs --clean /corpora/VoiceBank-DEMAND/clean_testset_wav \
      --noisy /corpora/VoiceBank-DEMAND/noisy_testset_wav -o results/comparison

Authors
 * the okd developers 2026
"""

import sys

from okd_brain.evaluation import ENHANCEMENT, main

if __name__ == "__main__":
    sys.exit(main(compared=ENHANCEMENT))
