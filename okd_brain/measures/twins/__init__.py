"""Differentiable torch versions of the metrics, imported by module path."""
