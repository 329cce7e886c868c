"""Copies at 16 kHz; what is examined is tested with the corpora."""

import os

import numpy as np
import soundfile

from okd_brain.corpora.examination import store_resampled


def test_stored_file_is_16_bit_clipped_and_left_alone_when_current(tmp_path):
    path = tmp_path / "a.wav"
    square = np.where(np.arange(4800) % 480 < 240, 1, -1).astype(np.float32)
    store_resampled(square, 48000, path, stamp_seconds=1000)
    samples, rate = soundfile.read(path)
    assert (rate, soundfile.info(path).subtype) == (16000, "PCM_16")
    # Overshoots of the filter stay at full scale instead of wrapping around.
    assert samples[15:65].min() > 0.5
    assert os.listdir(tmp_path) == ["a.wav"]
    before = os.stat(path).st_ino
    store_resampled(square, 48000, path, stamp_seconds=1000)
    assert os.stat(path).st_ino == before
    store_resampled(-square, 48000, path, stamp_seconds=1001)
    assert soundfile.read(path)[0][40] < 0
