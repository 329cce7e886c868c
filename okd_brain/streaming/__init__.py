"""Real-time enhancement of live streams, chunk by chunk.

``frames`` turns chunks of any size into short-time spectra and back, with a
constant delay and bounded memory. ``speech`` and ``listening`` change the spectra
as the tasks of these names do; their output equals that of the whole recording.
``pcm`` connects them to pipes of raw samples.
"""

from okd_brain.cli import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "frames": ["MAX_DELAY_MS"],
        "listening": ["StreamingListeningEnhancer"],
        "pcm": ["enhance_pcm", "enhance_stdin"],
        "speech": ["StreamingEnhancer"],
    },
)
