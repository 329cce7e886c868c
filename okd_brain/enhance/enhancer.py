"""Speech enhancement in two lines of Python.

enhance = okd_brain.Enhancer()
enhanced = enhance(noisy, rate)
"""

import torch

from okd_brain.distributed import find_device
from okd_brain.enhance.speech import check_speech_generator, enhance_wave
from okd_brain.export import load_generator
from okd_brain.messages import check_share
from okd_brain.models import default_model
from okd_brain.signals import SAMPLE_RATE
from okd_brain.streaming import StreamingEnhancer


class Enhancer:
    """A model that is loaded once and enhances waves of any sample rate.

    Arguments
    ---------
    model : str or Path, optional
        The name of a model that comes with okd (``okd-enhance --list-models``), an
        export folder, the output folder of a run with one generator, or the id of
        a model on the Hugging Face hub. By default the model that comes with okd.
    device : str, optional
        "cpu", "cuda" or "cuda:0" and so on; by default the first GPU, or the CPU
        where there is none.
    dry : float
        Share of the input in the output, from 0 to 1.

    Attributes
    ----------
    model : str
        What is loaded.
    generator : torch.nn.Module
        In evaluation mode, on its device.
    dry : float
        As above.

    Raises
    ------
    UserError
        If there is no such model or device, the model is for listening
        enhancement (``okd_brain.enhance_listening`` needs the noise, too), or
        ``dry`` is not a share.

    Example
    -------
    >>> from okd_brain.export import export_generator
    >>> from okd_brain.generators import CausalLSTMGenerator
    >>> folder = export_generator(
    ...     CausalLSTMGenerator(),
    ...     getfixture("tmp_path") / "pesq",
    ...     name="pesq",
    ...     details={},
    ... )
    >>> enhance = Enhancer(folder)
    >>> enhanced = enhance(torch.randn(2, 44100, dtype=torch.float64), 44100)
    >>> enhanced.shape, enhanced.dtype
    (torch.Size([2, 44100]), torch.float64)
    >>> enhance.stream(chunk_samples=256).delay_ms
    16.0
    """

    def __init__(self, model=None, device=None, *, dry=0.0):
        check_share("dry", dry)
        self.model = default_model("se") if model is None else str(model)
        self.generator = load_generator(self.model).to(find_device(device))
        check_speech_generator(self.generator)
        self.dry = dry

    def __call__(self, wave, sample_rate):
        """Enhance a wave in memory.

        Arguments
        ---------
        wave : torch.Tensor or numpy.ndarray
            Float, full scale 1, at least 32 ms: a tensor of [samples] or
            [channels, samples], or an array of [samples] or [samples, channels],
            as soundfile reads it. It is not modified.
        sample_rate : int
            Its rate in Hz.

        Returns
        -------
        torch.Tensor or numpy.ndarray
            What ``wave`` is, with its shape, rate, dtype and device. Peaks may
            exceed 1.

        Raises
        ------
        UserError
            See ``enhance_wave``.
        """
        if not isinstance(wave, torch.Tensor):
            enhanced = enhance_wave(
                self.generator, wave, sample_rate, dry=self.dry
            )
            return enhanced.astype(wave.dtype, copy=False)
        given = wave
        if wave.is_floating_point():  # NumPy has no bfloat16
            given = wave.detach().to("cpu", torch.float32)
        return enhance_wave(
            self.generator, given, sample_rate, dry=self.dry
        ).to(wave)

    def stream(self, sample_rate=SAMPLE_RATE, *, chunk_samples=1):
        """Return an enhancer of a live stream, with a memory of its own.

        Arguments
        ---------
        sample_rate : int
            Of the stream in Hz: 16000.
        chunk_samples : int
            A common divisor of the lengths of all chunks; 256 gives the shortest
            delay, 16 ms (``FrameStream``).

        Returns
        -------
        StreamingEnhancer
            Has ``process(chunk)`` and ``flush()``.

        Raises
        ------
        UserError
            If the model is not causal, or the rate is another one.
        """
        return StreamingEnhancer(
            self.generator,
            sample_rate,
            chunk_samples=chunk_samples,
            dry=self.dry,
        )

    def __repr__(self):
        return f"Enhancer({self.model!r})"
