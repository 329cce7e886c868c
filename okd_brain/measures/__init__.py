"""Measures that no installed library offers, as pure NumPy functions."""
