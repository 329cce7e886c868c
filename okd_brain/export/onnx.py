"""One frame of a causal generator as an ONNX file, for programs without Python.

The file holds the network alone. Around it a program does, frame by frame, what
``okd_brain.streaming`` does: transform 512 windowed samples, 256 samples after
the previous ones; take log(1 + magnitude); run the network; take
exp(mask * log1p magnitude) - 1 with the phase of the spectrum; invert the
transform, window, overlap-add, and divide by the sum of the two squared windows.
"""

import warnings
from importlib.util import find_spec
from pathlib import Path

import torch

from okd_brain.generators import CausalLSTMGenerator
from okd_brain.signals import N_BINS, N_FFT, SAMPLE_RATE

PACKAGES = ("onnx", "onnxscript")  # used by torch's exporter
INPUTS = ("noisy", "hidden", "cell")
OUTPUTS = ("mask", "next_hidden", "next_cell")


class _Step(torch.nn.Module):
    """Tensors in, tensors out, as an ONNX graph has them."""

    def __init__(self, generator):
        super().__init__()
        self.generator = generator

    def forward(self, noisy, hidden, cell):
        mask, (hidden, cell) = self.generator.step(
            noisy[:, None], (hidden, cell)
        )
        return mask[:, 0], hidden, cell


def export_onnx_step(generator, path):
    """Write the step from one frame to the next as an ONNX file.

    Inputs, all float32: ``noisy`` [1, 257], the noisy log1p magnitude;
    ``hidden`` and ``cell``, each [2, 1, 200], zeros at the start of a stream.
    Outputs: ``mask`` [1, 257], in [0.05, 1.2]; ``next_hidden`` and
    ``next_cell``, the ``hidden`` and ``cell`` of the next frame. The metadata
    of the file describe the transform that the network was trained with.

    Arguments
    ---------
    generator : CausalLSTMGenerator
        In evaluation mode, on the CPU.
    path : str or Path
        The file to write (3.4 MB, weights included); its folder is made.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ModuleNotFoundError
        If the packages of the extra "onnx" are missing.
    ValueError
        If the generator is not causal or in training mode.

    Example
    -------
    >>> path = getfixture("tmp_path") / "step.onnx"
    >>> path = export_onnx_step(CausalLSTMGenerator().eval(), path)
    >>> import numpy, onnxruntime
    >>> step = onnxruntime.InferenceSession(path)
    >>> hidden = cell = numpy.zeros((2, 1, 200), "float32")
    >>> noisy = numpy.ones((1, 257), "float32")
    >>> mask, hidden, cell = step.run(
    ...     None, {"noisy": noisy, "hidden": hidden, "cell": cell}
    ... )
    >>> mask.shape
    (1, 257)
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ModuleNotFoundError(
            f"The export to ONNX needs {' and '.join(missing)}: "
            "pip install 'okd[onnx]'"
        )
    if not isinstance(generator, CausalLSTMGenerator):
        raise ValueError(
            "Only a causal generator (CausalLSTMGenerator) can be run frame by "
            f"frame; got {type(generator).__name__}."
        )
    if generator.training:
        raise ValueError("Call the generator's eval() before the export.")
    state = torch.zeros(2, 1, CausalLSTMGenerator.HIDDEN)
    with warnings.catch_warnings():
        # torch's exporter replaces the list of weights in torch's own LSTM,
        # warns about that, and restores it.
        warnings.filterwarnings("ignore", r"The tensor attributes .*weights")
        program = torch.onnx.export(
            _Step(generator).eval(),
            (torch.zeros(1, N_BINS), state, state.clone()),
            input_names=INPUTS,
            output_names=OUTPUTS,
            dynamo=True,
            verbose=False,
        )
    program.model.metadata_props.update(
        {
            "sample_rate": f"{SAMPLE_RATE}",
            "n_fft": f"{N_FFT}",
            "hop": f"{N_FFT // 2}",
            "window": "periodic Hamming",
            "noisy": "log(1 + magnitude)",
        }
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    program.save(path, external_data=False)
    return path
