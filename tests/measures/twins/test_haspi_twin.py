"""The ear of the twin of the linear HASPI against the metric's."""

import numpy as np
from twin_checks import batch_of, noise, prompt

from okd_brain.measures.haspi.ear_model import EarReference
from okd_brain.measures.haspi.linear import presented
from okd_brain.measures.twins.haspi import Ear


def test_firing_rates_are_those_of_the_ear_model():
    signal, samples = batch_of([prompt(0) + noise(0, 5)])
    ear = Ear(signal, samples[:, None])
    expected = EarReference(presented(signal[0].numpy()), align=False).rates
    rates = ear.rates(ear.delays())[0].numpy()
    # The model cuts the signal off, the twin lets it fade.
    rates, expected = rates[:, : expected.shape[1] - 80], expected[:, :-80]
    assert np.abs(rates - expected).mean() < 0.3  # dB, of up to 60
    for found, band in zip(rates, expected, strict=True):
        assert np.corrcoef(found, band)[0, 1] > 0.99
