#!/usr/bin/env python3
"""Cut recordings of read speech into pieces of a sentence or two, for studies.

> python cut_speech.py /path/to/LibriSpeech/train-clean-100 OUT

VoiceBank's utterances last 3 s in the mean, LibriSpeech's a quarter of a minute,
which two cores take long to score. A piece ends at the quietest moment between
2.5 and 4.5 s after its beginning. What is left of a recording is dropped if it is
shorter than that.

Authors
 * the okd developers 2026
"""

import sys
from pathlib import Path

import numpy as np
import soundfile

from okd_brain import cli
from okd_brain.audio import read_audio
from okd_brain.corpora.splits import speaker_of
from okd_brain.files import walk_audio

SHORTEST, LONGEST = 2.5, 4.5  # s
FRAME = 0.02  # s, whose power tells how quiet a moment is


def cut(wave, rate):
    """Return the pieces of a recording.

    Arguments
    ---------
    wave : numpy.ndarray
        [samples].
    rate : int
        In Hz.

    Returns
    -------
    list of numpy.ndarray
        In their order, without gaps.
    """
    frame = round(FRAME * rate)
    first, last = round(SHORTEST / FRAME), round(LONGEST / FRAME)
    frames = len(wave) // frame
    power = (wave[: frames * frame].reshape(frames, frame) ** 2).mean(axis=1)
    pieces, begin = [], 0
    while frames - begin >= first:
        possible = power[begin + first : begin + last]
        end = begin + first + (int(np.argmin(possible)) if len(possible) else 0)
        pieces.append(wave[begin * frame : end * frame])
        begin = end
    return pieces


def main(argv=None):
    """Cut the audio files of folders; return an exit status."""
    parser = cli.make_parser(description=__doc__)
    parser.add_argument(
        "speech", type=Path, nargs="+", help="folders of speech"
    )
    parser.add_argument("out", type=Path, help="receives SPEAKER/FILE_NN.flac")
    arguments = parser.parse_args(argv)
    return cli.run(_cut_all, arguments.speech, arguments.out)


def _cut_all(folders, out):
    count = 0
    for folder in folders:
        for path in walk_audio(folder):
            samples, rate, _ = read_audio(path)
            speaker = speaker_of(path.relative_to(folder).as_posix())
            for number, piece in enumerate(cut(samples[:, 0], rate)):
                name = out / speaker / f"{path.stem}_{number:02d}.flac"
                name.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(name, piece, rate)
                count += 1
    cli.show(f"{count} pieces in {out}")


if __name__ == "__main__":
    sys.exit(main())
