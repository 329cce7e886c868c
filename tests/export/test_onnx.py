"""One frame in ONNX Runtime is one frame in torch, state included."""

import numpy as np
import onnxruntime
import pytest
import torch
from streams import offline, remembering, speech

from okd_brain.export import export_onnx_step, onnx
from okd_brain.generators import BLSTMGenerator, CausalLSTMGenerator
from okd_brain.signals import SpectralAnalysis

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx") / "new"
    return export_onnx_step(remembering(), folder / "step.onnx")


@pytest.fixture(scope="module")
def step(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)

    def run(noisy, hidden, cell):
        feed = {"noisy": noisy, "hidden": hidden, "cell": cell}
        return session.run(["mask", "next_hidden", "next_cell"], feed)

    return run


def start():
    return np.zeros((2, 1, 200), "f4"), np.zeros((2, 1, 200), "f4")


@pytest.mark.slow
def test_mask_and_state_equal_those_of_torch(step):
    generator = remembering()
    noisy = SpectralAnalysis().log_magnitude(speech()[None])
    hidden, cell = start()
    memory = None
    masks = []
    for frame in noisy.split(1, dim=1):
        with torch.no_grad():
            expected, memory = generator.step(frame, memory)
        mask, hidden, cell = step(frame[0].numpy(), hidden, cell)
        masks.append(mask)
        for array, tensor in zip((hidden, cell), memory, strict=True):
            assert np.abs(array - tensor.numpy()).max() < TOLERANCE
        assert np.abs(mask - expected[0].numpy()).max() < TOLERANCE
    assert np.ptp(masks) > 0.5  # not one mask for all


@pytest.mark.slow
def test_the_waveform_is_that_of_the_task(step):
    analysis = SpectralAnalysis()
    wave = speech(1)
    noisy = analysis.log_magnitude(wave[None])
    state = start()
    masks = []
    for frame in noisy[0].numpy():
        mask, *state = step(frame[None], *state)
        masks.append(torch.from_numpy(mask))
    enhanced = analysis.resynthesise(
        torch.stack(masks, 1) * noisy, wave[None], torch.tensor([len(wave)])
    )
    error = (enhanced[0] - offline(remembering(), wave)).abs().max()
    assert error < TOLERANCE


@pytest.mark.slow
def test_the_file_says_what_it_takes(path):
    session = onnxruntime.InferenceSession(path)
    shapes = {i.name: i.shape for i in session.get_inputs()}
    assert shapes == {
        "noisy": [1, 257],
        "hidden": [2, 1, 200],
        "cell": [2, 1, 200],
    }
    assert [o.shape for o in session.get_outputs()] == list(shapes.values())
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata == {
        "sample_rate": "16000",
        "n_fft": "512",
        "hop": "256",
        "window": "periodic Hamming",
        "noisy": "log(1 + magnitude)",
    }
    assert [file.name for file in path.parent.iterdir()] == ["step.onnx"]


def test_the_export_changes_nothing(tmp_path, capfd, recwarn):
    generator = remembering()
    export_onnx_step(generator, tmp_path / "step.onnx")
    for name, value in remembering().state_dict().items():
        assert torch.equal(generator.state_dict()[name], value)
    assert not generator.training
    assert all(p.requires_grad for p in generator.parameters())
    wave = speech(2)
    assert torch.equal(offline(generator, wave), offline(remembering(), wave))
    assert capfd.readouterr().out == ""
    assert not [w for w in recwarn if "tensor attributes" in str(w.message)]


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (BLSTMGenerator().eval(), "causal.*got BLSTMGenerator"),
        (CausalLSTMGenerator(), r"eval\(\) before the export"),
    ],
)
def test_generators_that_make_no_step(tmp_path, generator, message):
    with pytest.raises(ValueError, match=message):
        export_onnx_step(generator, tmp_path / "step.onnx")
    assert not list(tmp_path.iterdir())


def test_missing_packages_name_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "find_spec", lambda name: None)
    message = r"onnx and onnxscript: pip install 'okd\[onnx\]'"
    with pytest.raises(ModuleNotFoundError, match=message):
        export_onnx_step(remembering(), tmp_path / "step.onnx")
