"""Copies at 16 kHz; what is examined is tested with the corpora."""

import os

import numpy as np
import pytest
import soundfile

from okd_brain.corpora.examination import store_resampled


def test_stored_file_is_16_bit_clipped_and_left_alone_when_current(tmp_path):
    path, stamp = tmp_path / "a.wav", 1_700_000_000_123_456_789
    square = np.where(np.arange(4800) % 480 < 240, 1, -1).astype(np.float32)
    store_resampled(square, 48000, path, stamp_ns=stamp)
    samples, rate = soundfile.read(path)
    assert (rate, soundfile.info(path).subtype) == (16000, "PCM_16")
    # Overshoots of the filter stay at full scale instead of wrapping around.
    assert samples[15:65].min() > 0.5
    assert os.listdir(tmp_path) == ["a.wav"]
    before = os.stat(path).st_ino
    store_resampled(square, 48000, path, stamp_ns=stamp)
    assert os.stat(path).st_ino == before
    store_resampled(-square, 48000, path, stamp_ns=stamp + 200)
    assert soundfile.read(path)[0][40] < 0


@pytest.mark.parametrize("unit", [100, 10**6, 10**9])
def test_a_file_system_that_rounds_times_keeps_its_copies(tmp_path, unit):
    """Seconds, in earlier versions; a change within one is another time."""
    path, stamp = tmp_path / "a.wav", 1_700_000_000_123_456_789
    store_resampled(np.zeros(480, np.float32), 48000, path, stamp_ns=stamp)
    assert os.stat(path).st_mtime_ns == stamp
    rounded = stamp // unit * unit
    os.utime(path, ns=(rounded, rounded))
    before = os.stat(path).st_ino
    store_resampled(np.ones(480, np.float32), 48000, path, stamp_ns=stamp)
    assert os.stat(path).st_ino == before
    later = stamp + 10**9
    store_resampled(np.ones(480, np.float32), 48000, path, stamp_ns=later)
    assert os.stat(path).st_ino != before
