"""Whatever is in a file, its reader reads it or says which file cannot be read."""

import resource
import sys
import time

import fuzz
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from speechbrain.utils.importutils import LazyModule

FEW = 60  # for every reader, in the suite
SECONDS = 20.0  # of a processor, for the slowest file
MEGABYTES = 300  # that the largest file may add to the highest peak


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(autouse=True)
def no_lazy_modules(monkeypatch):
    """Hypothesis looks into all modules; SpeechBrain imports them then."""
    for name, module in list(sys.modules.items()):
        if isinstance(module, LazyModule):
            monkeypatch.delitem(sys.modules, name)


REFUSED = ("packed weights", "raw")


@pytest.mark.parametrize("name", fuzz.READERS)
def test_the_sound_file_is_read(name, folder):
    """Else nothing beyond the first error would be tested."""
    reader = fuzz.READERS[name]
    fuzz.prepare(folder)
    read = fuzz.check(reader, reader.sound, folder)
    assert read == (name not in REFUSED)


@pytest.mark.parametrize("name", fuzz.READERS)
def test_odd_files_are_read_or_named(name, folder, figures):
    """Within bounds of time and memory that no file decides."""
    reader = fuzz.READERS[name]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    contents = fuzz.contents(reader)
    fuzz.prepare(folder)

    @settings(
        max_examples=fuzz.EXAMPLES or FEW,
        derandomize=not fuzz.EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(st.data())
    def read(data):
        content = data.draw(contents)
        begun = time.thread_time()
        fuzz.check(reader, content, folder)
        seconds.append(time.thread_time() - begun)
        assert seconds[-1] < SECONDS

    read()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak  # kB
    assert peak < 1000 * MEGABYTES
    figures(
        f"{name}: {len(seconds)} inputs, 0 undocumented failures, at most "
        f"{1000 * max(seconds):.0f} ms each, {peak / 1000:.0f} MB more at the peak"
    )
