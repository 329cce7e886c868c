"""Texts of an export folder: its ``hyperparams.yaml`` and its model card.

The folder ``templates`` holds them. The YAML of a mask estimator rebuilds it
from SpeechBrain's and torch's classes under the parameter names of
``okd_brain.generators``, so that one file of weights serves both.
"""

import json
from importlib.resources import files

from okd_brain.generators import BandGainGenerator, CausalLSTMGenerator
from okd_brain.signals import (
    HOP_MS,
    MASK_FLOOR,
    N_BINS,
    N_FFT,
    SAMPLE_RATE,
    WINDOW_MS,
)

MASK_CEILING = 1.2  # factor of SpeechBrain's Learnable_sigmoid


def hyperparams_yaml(kind, name, version, task):
    """Return the text of ``hyperparams.yaml``.

    Arguments
    ---------
    kind : type
        A class of ``generators.GENERATORS``.
    name : str
        The generator's name, for the comment at the top.
    version : str
        Version of okd_brain.
    task : SpeechEnhancement or ListeningEnhancement
        What the generator was trained for.

    Returns
    -------
    str

    Example
    -------
    >>> from okd_brain.generators import BLSTMGenerator
    >>> from okd_brain.tasks import SpeechEnhancement
    >>> text = hyperparams_yaml(
    ...     BLSTMGenerator, "pesq", "1.0", SpeechEnhancement()
    ... )
    >>> print(text.splitlines()[0])
    # MetricGAN-OKD generator "pesq", written by okd_brain 1.0.
    """
    values = {
        "name": json.dumps(name),  # one line, whatever it contains
        "version": version,
        "sample_rate": SAMPLE_RATE,
    }
    if kind is BandGainGenerator:
        return _fill("listening.yaml", **values, equal_power=task.equal_power)
    network = _fill(
        f"{kind.__name__}.yaml",
        n_bins=N_BINS,
        hidden=CausalLSTMGenerator.HIDDEN,
    )
    return _fill(
        "speech.yaml",
        **values,
        n_fft=N_FFT,
        win_length=WINDOW_MS,
        hop_length=HOP_MS,
        network=network,
        floor=MASK_FLOOR,
        ceiling=MASK_CEILING,
    )


def model_card(*, name, generator, okd_version, details):
    """Return the text of ``README.md``.

    Arguments
    ---------
    name : str
        Of the generator.
    generator : str
        Name of its class.
    okd_version : str
        Version of okd_brain.
    details : dict
        As in ``model.json``; become rows of a table.

    Returns
    -------
    str

    Example
    -------
    >>> text = model_card(
    ...     name="pesq",
    ...     generator="BLSTMGenerator",
    ...     okd_version="1.0",
    ...     details={"epoch": 20, "validation": {"pesq": 2.5}},
    ... )
    >>> [line for line in text.splitlines() if line.startswith("| v")]
    ['| validation | pesq 2.5 |']
    """
    listening = generator == BandGainGenerator.__name__
    return _fill(
        "listening.md" if listening else "speech.md",
        name=name,
        generator=generator,
        okd_version=okd_version,
        rows="\n".join(
            f"| {key} | {_cell(value)} |" for key, value in details.items()
        ),
    )


def _fill(template, **values):
    path = files("okd_brain.export") / "templates" / template
    return path.read_text("utf-8").format(**values)


def _cell(value):
    """Return a value of JSON as one line."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
