"""Audio files and folders in, enhanced files out."""

from okd_brain.enhance.command import (
    enhance_file,
    enhance_speech,
    enhance_speech_file,
    enhance_wave,
    main,
)

__all__ = [
    "enhance_file",
    "enhance_speech",
    "enhance_speech_file",
    "enhance_wave",
    "main",
]
