"""MetricGAN-OKD on SpeechBrain: several perceptual metrics, one generator each.

Shin, Lee, Kim, Park and Han, "MetricGAN-OKD: Multi-Metric Optimization of
MetricGAN via Online Knowledge Distillation for Speech Enhancement", ICML 2023,
PMLR 202:31521-31538.  The README says how to use it; ``okd_brain.brain`` is
where the method itself is written down.
"""

__version__ = "0.1.0"
