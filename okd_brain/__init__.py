"""MetricGAN-OKD on SpeechBrain: several perceptual metrics, one generator each.

Shin, Lee, Kim, Park and Han, "MetricGAN-OKD: Multi-Metric Optimization of
MetricGAN via Online Knowledge Distillation for Speech Enhancement", ICML 2023,
PMLR 202:31521-31538.  The README says how to use it; ``okd_brain.brain`` is
where the method itself is written down.

What most programs need is here: ``Enhancer``, ``load_generator``,
``enhance_wave``, ``enhance_listening``, ``enhance_file``, ``Scorer`` and
``METRICS``. Each is imported when it is first used.
"""

__version__ = "0.1.0"

from okd_brain.cli import attach  # noqa: E402, reads the version

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "enhance": [
            "Enhancer",
            "enhance_file",
            "enhance_listening",
            "enhance_wave",
        ],
        "export": ["load_generator"],
        "metrics": ["METRICS"],
        "scoring": ["Scorer"],
    },
)
