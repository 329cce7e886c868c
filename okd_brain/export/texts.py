"""What stands in the text files of an exported generator.

The YAML rebuilds an estimator of masks from SpeechBrain's and torch's classes
under the parameter names of ``okd_brain.generators``, so that one file of weights
serves both.  What is for listening enhancement is in ``listening_texts``.
"""

import json

from okd_brain.export.listening_texts import (
    LISTENING_CARD,
    LISTENING_HYPERPARAMS,
)
from okd_brain.generators import (
    BandGainGenerator,
    BLSTMGenerator,
    CausalLSTMGenerator,
)
from okd_brain.signals import (
    HOP_MS,
    MASK_FLOOR,
    N_BINS,
    N_FFT,
    SAMPLE_RATE,
    WINDOW_MS,
)

# The first parameter names tell which class a file of weights is for.
GENERATORS = {
    "blstm.": BLSTMGenerator,
    "lstm.": CausalLSTMGenerator,
    "norms.": BandGainGenerator,
}

MASK_CEILING = 1.2  # factor of SpeechBrain's Learnable_sigmoid

NETWORKS = {
    BLSTMGenerator: """\
generator: !new:speechbrain.lobes.models.MetricGAN.EnhancementGenerator
""",
    CausalLSTMGenerator: f"""\
generator: !new:speechbrain.nnet.containers.LengthsCapableSequential
    lstm: !new:speechbrain.nnet.RNN.LSTM
        input_size: {N_BINS}
        hidden_size: {CausalLSTMGenerator.HIDDEN}
        num_layers: 2
    linear1: !new:torch.nn.Linear
        in_features: {CausalLSTMGenerator.HIDDEN}
        out_features: 300
    activation: !new:torch.nn.LeakyReLU
        negative_slope: 0.3
    linear2: !new:torch.nn.Linear
        in_features: 300
        out_features: {N_BINS}
    Learnable_sigmoid: !new:speechbrain.lobes.models.MetricGAN.Learnable_sigmoid
        in_features: {N_BINS}
""",
}

HYPERPARAMS = """\
# MetricGAN-OKD generator {name}, written by okd_brain {version}.
# For speechbrain.inference.enhancement.SpectralMaskEnhancement; okd_brain is
# not needed. What it was trained on is in model.json.

sample_rate: {sample_rate} # Hz
n_fft: {n_fft} # samples
win_length: {win_length} # ms
hop_length: {hop_length} # ms

compute_stft: !new:speechbrain.processing.features.STFT
    sample_rate: !ref <sample_rate>
    n_fft: !ref <n_fft>
    win_length: !ref <win_length>
    hop_length: !ref <hop_length>
    window_fn: !name:torch.hamming_window

compute_istft: !new:speechbrain.processing.features.ISTFT
    sample_rate: !ref <sample_rate>
    n_fft: !ref <n_fft>
    win_length: !ref <win_length>
    hop_length: !ref <hop_length>
    window_fn: !name:torch.hamming_window

spectral_magnitude: !name:speechbrain.processing.features.spectral_magnitude
    power: 0.5

resynth: !name:speechbrain.processing.signal_processing.resynthesize
    stft: !ref <compute_stft>
    istft: !ref <compute_istft>
    normalize_wavs: False # keeps the level, as in training

{network}
# The mask floor of the training, which SpectralMaskEnhancement itself lacks.
mask_floor: !new:torch.nn.Hardtanh
    min_val: {floor}
    max_val: {ceiling}

enhance_model: !new:speechbrain.nnet.containers.LengthsCapableSequential
    generator: !ref <generator>
    mask_floor: !ref <mask_floor>

modules:
    enhance_model: !ref <enhance_model>

# The weights are those of the generator alone, without the floor around it.
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        enhance_model: !ref <generator>
"""

MODEL_CARD = """\
# Speech enhancement: `{name}`

A mask estimator (`{generator}`) trained with MetricGAN-OKD by okd_brain
{okd_version}, for speech at 16 kHz. The name is the metric, or metrics, that it
was trained to raise.

With SpeechBrain alone:

```python
from speechbrain.inference.enhancement import SpectralMaskEnhancement
enhancer = SpectralMaskEnhancement.from_hparams(source="path/to/this/folder")
enhanced = enhancer.enhance_file("noisy.wav", "enhanced.wav")
```

(Leave `savedir` out: SpeechBrain goes on using what it once put there.)

With okd_brain installed, for folders, other sample rates, several channels and
long recordings:

```
okd-enhance path/to/this/folder noisy.wav more/ -o enhanced/
```

For training on: `okd_brain.export.load_generator("path/to/this/folder")`.

| | |
| --- | --- |
{rows}

Validation scores, where given, are means over the validation speakers of that
corpus; those of the set on which the epoch was chosen are optimistic. A network
trained for one metric may lower others: compare all of them.
"""


def hyperparams_yaml(kind, name, version, task):
    """Return the text of ``hyperparams.yaml``.

    Arguments
    ---------
    kind : type
        A class of ``GENERATORS``.
    name : str
        The generator's name, for the comment at the top.
    version : str
        Version of okd_brain.
    task : SpeechEnhancement or ListeningEnhancement
        What the generator is for.

    Returns
    -------
    str

    Example
    -------
    >>> from okd_brain.tasks import SpeechEnhancement
    >>> text = hyperparams_yaml(
    ...     BLSTMGenerator, "pesq", "1.0", SpeechEnhancement()
    ... )
    >>> print(text.splitlines()[0])
    # MetricGAN-OKD generator "pesq", written by okd_brain 1.0.
    """
    name = json.dumps(name)  # on one line, whatever is in it
    if kind is BandGainGenerator:
        return LISTENING_HYPERPARAMS.format(
            name=name,
            version=version,
            sample_rate=SAMPLE_RATE,
            equal_power=task.equal_power,
        )
    return HYPERPARAMS.format(
        name=name,
        version=version,
        sample_rate=SAMPLE_RATE,
        n_fft=N_FFT,
        win_length=WINDOW_MS,
        hop_length=HOP_MS,
        network=NETWORKS[kind],
        floor=MASK_FLOOR,
        ceiling=MASK_CEILING,
    )


def model_card(*, name, generator, okd_version, details):
    """Return the text of ``README.md``; arguments as in ``model.json``.

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
    rows = "\n".join(
        f"| {key} | {_cell(value)} |" for key, value in details.items()
    )
    listening = generator == BandGainGenerator.__name__
    card = LISTENING_CARD if listening else MODEL_CARD
    return card.format(
        name=name, generator=generator, okd_version=okd_version, rows=rows
    )


def _cell(value):
    """Return one line of a table for a value of JSON."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
