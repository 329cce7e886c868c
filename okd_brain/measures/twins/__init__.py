"""Twins of metrics: the same scores in torch, for gradients.

A twin is a ``torch.nn.Module`` that is called with batches of waves,
``twin(reference, degraded, lengths=None)``, and returns raw scores, one for
each item, on the metric's own scale, differentiable with respect to what is
degraded. Scores that are reported come from the metric; twins only tell a
generator where to go. ``Twin`` (in ``base``) has the rules that all of them
share and is the base of a twin of your own; ``METRICS[name].twin`` makes the
twin of a metric.

Names are imported, and torch with them, when they are first used.
"""

from okd_brain.cli import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "base": ["ALL", "Twin"],
        "composite": [
            "CBAKTwin",
            "COVLTwin",
            "CSIGTwin",
            "CompositeTwin",
            "MeanOpinionTwin",
            "SegSNRTwin",
        ],
        "haspi": ["HASPILinearTwin"],
        "pesq": ["PESQTwin"],
        "si_sdr": ["SISDRTwin"],
        "siib": ["SIIBTwin"],
        "stoi": ["ESTOITwin", "STOITwin"],
    },
)
