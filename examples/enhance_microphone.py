"""Enhance what a microphone hears, and play it, 16 ms and a block later.

    python examples/enhance_microphone.py                        # pip install sounddevice
    python examples/enhance_microphone.py --model results/okd_pesq_csig_cbak_causal/1/export/pesq
    python examples/enhance_microphone.py --files noisy.wav enhanced.wav

Use headphones: a loudspeaker would be heard by the microphone. ``--files`` puts
a recording in the place of the microphone, and a file in that of the headphones.
"""

import argparse

import numpy as np
import soundfile

import okd_brain

RATE = 16000  # Hz, of the microphone, too
BLOCK = 256  # samples; of multiples of 256 the enhancer's delay is shortest


def make_callback(model=None):
    """Return a callback for ``sounddevice.Stream``, one channel at 16 kHz."""
    stream = okd_brain.Enhancer(model).stream(RATE, chunk_samples=BLOCK)

    def callback(heard, played, frames, time, status):
        enhanced = stream.process(heard)
        played[:] = 0  # at the start, less comes out than goes in
        played[frames - len(enhanced) :] = enhanced

    return callback


def enhance_live(callback):
    """Run until Ctrl-C."""
    import sounddevice

    options = {"samplerate": RATE, "blocksize": BLOCK, "channels": 1}
    with sounddevice.Stream(callback=callback, dtype="float32", **options):
        input("Listening; Return ends it.\n")


def enhance_files(callback, noisy, enhanced):
    """Read a recording as a microphone would give it."""
    options = {"dtype": "float32", "always_2d": True, "fill_value": 0}
    with soundfile.SoundFile(enhanced, "w", RATE, channels=1) as output:
        for heard in soundfile.blocks(noisy, BLOCK, **options):
            played = np.empty_like(heard)
            callback(heard, played, BLOCK, None, None)
            output.write(played)


def main(argv=None):
    """Enhance until there is nothing more to hear."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", help="as for okd-enhance; a causal one")
    parser.add_argument("--files", nargs=2, metavar=("NOISY", "ENHANCED"))
    arguments = parser.parse_args(argv)
    callback = make_callback(arguments.model)
    if arguments.files:
        enhance_files(callback, *arguments.files)
    else:
        enhance_live(callback)


if __name__ == "__main__":
    main()
