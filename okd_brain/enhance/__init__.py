"""Enhance waves and audio files of any sample rate, channel count and length.

``segments`` cuts a wave into overlapping pieces at 16 kHz and joins the results.
``speech`` and ``listening`` are the two tasks on waves in memory or piece by
piece, ``enhancer`` the first with its model; ``noise`` is what a listener hears around the speech. ``files`` turns one
audio file into another, ``jobs`` plans many, and ``command`` is ``okd-enhance``.
"""

from okd_brain.cli import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "command": ["main"],
        "enhancer": ["Enhancer"],
        "files": [
            "enhance_file",
            "enhance_listening_file",
            "enhance_ssdrc_file",
        ],
        "listening": ["enhance_listening"],
        "noise": [
            "ListenerNoise",
            "NoiseLevels",
            "read_listener_noise",
            "read_noise_levels",
        ],
        "speech": ["enhance_wave"],
    },
)
