"""Twins of metrics: the same scores in torch, for gradients.

A twin is a ``torch.nn.Module`` that is called with batches of waves,
``twin(reference, degraded, lengths)``, and returns raw scores on the metric's
own scale, differentiable with respect to what is degraded. Scores that are
reported come from the metric; twins only tell a generator where to go.
"""
