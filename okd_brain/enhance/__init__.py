"""Enhance waves and audio files of any sample rate, channel count and length.

``segments`` cuts a wave into overlapping pieces at 16 kHz and joins the results.
``speech`` and ``listening`` are the two tasks on waves in memory or piece by
piece; ``noise`` is what a listener hears around the speech. ``files`` turns one
audio file into another, ``jobs`` plans many, and ``command`` is ``okd-enhance``.
"""

from okd_brain.enhance.command import main
from okd_brain.enhance.files import enhance_file, enhance_speech_file
from okd_brain.enhance.listening import enhance_speech
from okd_brain.enhance.noise import (
    ListenerNoise,
    NoiseLevels,
    read_listener_noise,
    read_noise_levels,
)
from okd_brain.enhance.speech import enhance_wave

__all__ = [
    "ListenerNoise",
    "NoiseLevels",
    "enhance_file",
    "enhance_speech",
    "enhance_speech_file",
    "enhance_wave",
    "main",
    "read_listener_noise",
    "read_noise_levels",
]
