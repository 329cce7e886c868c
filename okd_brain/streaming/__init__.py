"""Real-time enhancement of live streams, chunk by chunk.

``frames`` turns chunks of any size into short-time spectra and back, with a
constant delay and bounded memory. ``speech`` and ``listening`` change the spectra
as the tasks of these names do; their output equals that of the whole recording.
``pcm`` connects them to pipes of raw samples.
"""

from okd_brain.streaming.frames import MAX_DELAY_MS
from okd_brain.streaming.listening import StreamingListeningEnhancer
from okd_brain.streaming.pcm import enhance_pcm, enhance_stdin
from okd_brain.streaming.speech import StreamingEnhancer

__all__ = [
    "MAX_DELAY_MS",
    "StreamingEnhancer",
    "StreamingListeningEnhancer",
    "enhance_pcm",
    "enhance_stdin",
]
