"""Damaged and odd files for every reader, and what a reader may say of them.

``READERS`` has one entry per kind of file: a sound file, words of its format, and
the function that reads it. ``check`` reads a file that ``contents`` draws; all
that may happen is that it is read, or a ``UserError`` that names it. The suite
draws a few hundred for each (``test_fuzz.py``), and ``make torture`` as many as
`OKD_FUZZ_EXAMPLES` says, with another seed each time.
"""

import functools
import io
import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soundfile
import torch
from hypothesis import strategies as st

from okd_brain.audio import read_audio
from okd_brain.config import read_experiment
from okd_brain.corpora import make_dataset
from okd_brain.corpora.mixtures import make_mixture_dataset
from okd_brain.corpora.speech import _clients
from okd_brain.discriminators import Discriminator
from okd_brain.enhance.noise import read_noise_levels
from okd_brain.export.authors import _numpy_scalars
from okd_brain.export.details import read_details
from okd_brain.export.folders import load_discriminator
from okd_brain.export.weights import fill, load_weights
from okd_brain.messages import UserError
from okd_brain.results import read_scores
from okd_brain.results.conditions import read_conditions
from okd_brain.studies.file import read_study
from okd_brain.training.replay import _read_records

EXAMPLES = int(os.environ.get("OKD_FUZZ_EXAMPLES", "0"))


@dataclass(frozen=True)
class Reader:
    """A kind of file.

    Attributes
    ----------
    name : str
        Of the file.
    sound : bytes
        A file that is read.
    read : callable
        Takes its path.
    words : tuple of bytes
        What means something in its format.
    is_json : bool
        Whether values are replaced in it as well as bytes.
    also_named : tuple of str
        Files that it names, any of which may be wrong instead.
    """

    name: str
    sound: bytes
    read: Callable
    words: tuple
    is_json: bool = False
    also_named: tuple = ()


# What is drawn -----------------------------------------------------------------

NUMBERS = [0, 1, 2, 3, -1, True, False, None, 2**31, 2**63, 10**400, 0.5, -0.0]
NUMBERS += [float("nan"), float("inf"), 1e308]
TEXTS = [
    "",
    "a",
    "{data_root}",
    "{",
    "{}",
    "{x}",
    "../../x",
    "/",
    "\0",
    "\udce9",
]
VALUES = st.recursive(
    st.sampled_from(NUMBERS + TEXTS) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(TEXTS), inner, max_size=3)
    ),
    max_leaves=6,
)


LONGEST = 300_000  # bytes of a repeated word


# Where files say most of themselves is often near their ends.
PLACES = st.tuples(
    st.sampled_from(["all", "head", "tail"]), st.integers(0, 2**20)
)
KINDS = st.sampled_from(["insert", "replace", "cut", "end", "twice"])


@functools.cache
def edits(words):
    """Return the strategy of what is done to a file with such words."""
    # Some words are long; gigabytes of them would only be slow.
    long = [
        (word * min(n, LONGEST // len(word) + 1))[:LONGEST]
        for word in words
        for n in (3, 2000)
    ]
    pieces = (
        st.sampled_from(words) | st.binary(max_size=8) | st.sampled_from(long)
    )
    edit = st.tuples(KINDS, PLACES, PLACES, pieces)
    return st.lists(edit, min_size=1, max_size=4)


@st.composite
def contents(draw, reader):
    """Draw the bytes of a file: the sound one after some edits."""
    if reader.is_json and draw(st.booleans()):
        lines = [json.loads(line) for line in json_lines(reader.sound)]
        for _ in range(draw(st.integers(1, 3))):
            index = draw(st.integers(0, len(lines) - 1))
            lines[index] = draw(with_another_value(lines[index]))
        return "\n".join(map(json.dumps, lines)).encode()
    data = reader.sound
    for kind, *places, piece in draw(edits(reader.words)):
        start, end = sorted(position(place, len(data)) for place in places)
        data = {
            "insert": data[:start] + piece + data[start:],
            "replace": data[:start] + piece + data[start + len(piece) :],
            "cut": data[:start] + data[end:],
            "end": data[:start],
            "twice": data[:end] + data[start:],
        }[kind]
    return data


def position(place, length):
    """Return a position in so many bytes."""
    where, number = place
    low = max(0, length - 256) if where == "tail" else 0
    high = min(64, length) if where == "head" else length
    return low + number % (high - low + 1)


def json_lines(data):
    """Return the JSON values of a file, one or one a line."""
    try:
        json.loads(data)
    except ValueError:
        return data.splitlines()
    return [data]


@st.composite
def with_another_value(draw, tree):
    """Draw a JSON value like another, but for one place."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(tree)))
        rest = {k: v for k, v in tree.items() if k != key}
        if not draw(st.integers(0, 5)):  # missing, or by another name
            return draw(st.sampled_from([rest, {**rest, "other": tree[key]}]))
        return {**tree, key: draw(with_another_value(tree[key]))}
    if isinstance(tree, list) and tree and draw(st.integers(0, 5)):
        index = draw(st.integers(0, len(tree) - 1))
        part = draw(with_another_value(tree[index]))
        return [*tree[:index], part, *tree[index + 1 :]]
    return draw(VALUES)


def check(reader, content, folder):
    """Read a file; fail if what is said of it is not documented.

    Arguments
    ---------
    reader : Reader
        Of ``READERS``.
    content : bytes
        Of the file.
    folder : Path
        As from ``prepare``.

    Returns
    -------
    bool
        Whether it was read.
    """
    path = folder / reader.name
    path.write_bytes(content)
    try:
        reader.read(path)
    except UserError as error:
        names = (path.name, *reader.also_named)
        assert any(name in str(error) for name in names), error
        return False
    return True


def prepare(folder):
    """Write the files that those of the readers name."""
    wave = 0.1 * np.random.default_rng(0).standard_normal(800)
    soundfile.write(folder / "c.wav", wave, 16000)
    (folder / "small.yaml").write_bytes(EXPERIMENT)
    (folder / "d.ckpt").write_bytes(JUDGE)


# The readers --------------------------------------------------------------------


def read_overlay(path):
    """Read an experiment as train.py does before it makes objects."""
    experiment = read_experiment([str(path)])
    experiment.options()


def read_manifest(path):
    """Read a manifest and its first utterance."""
    make_dataset(path, path.parent)[0]


def read_mixtures(path):
    """Read a manifest of mixtures and its first utterance."""
    make_mixture_dataset(path, path.parent, path.parent)[0]


def read_layer(path):
    """Read the weights of a layer."""
    fill(torch.nn.Linear(2, 2), load_weights(path), path)


def read_theirs(path):
    """Read what is in a checkpoint of the authors."""
    with _numpy_scalars():
        load_weights(path)


def saved(content, **options):
    """Return what torch.save writes."""
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def packed(data):
    """Return an archive, compressed."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as source,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in source.namelist():
            archive.writestr(name, source.read(name))
    return stream.getvalue()


def audio(form):
    """Return an audio file of 800 samples."""
    stream = io.BytesIO()
    wave = 0.1 * np.sin(np.arange(800))
    soundfile.write(stream, wave, 16000, format=form)
    return stream.getvalue()


def text_of(*values):
    """Return JSON, a value a line."""
    return "\n".join(map(json.dumps, values)).encode()


EXPERIMENT = b"""\
# An experiment: all that the loader looks at
seed: 1 # of everything
data_folder: null
output_folder: !ref results/small/<seed>
schedule: null
valid_speakers: [001, "x"]
targets: [[pesq], [csig]]
mixing: !new:okd_brain.corpora.MixingPlan
    snrs_db: [0, 5]
    train_noises: null
"""
OVERLAY = b"""\
base: small.yaml
seed: 2
targets: [[pesq]]
mixing:
    snrs_db: &snrs [1]
mine: !new:okd_brain.corpora.MixingPlan
    snrs_db: *snrs
"""
STUDY = b"""\
metrics: [pesq]
options: {number_of_samples: 10}
preparations:
    warm: {experiment: small, options: {warmup_epochs: 5}, in_table: true}
methods:
    small:
        options: {pretrained: "{warm}/export"}
        paper: {pesq: {pesq: 3.24}}
"""
YAML_WORDS = (
    *(
        b": ",
        b"- ",
        b"&a ",
        b"*a",
        b"[",
        b"]",
        b"{",
        b"}",
        b"!new:",
        b"!!int ",
        b"\n",
    ),
    *(
        b"!!python/object:os.system ",
        b"? ",
        b"<<: ",
        b"---\n",
        b"null",
        b"base: ",
        b"1e999",
    ),
    *(
        b"2026-99-99",
        b"!ref <",
        b">",
        b"'",
        b"|",
        b"\t",
        b"!!set {a}",
        b"!!binary x",
    ),
    *(
        b"schedule: ",
        b"output_folder: ",
        b"data_folder: ",
        b"[[",
        b"0o8",
        b"true",
    ),
)
JSON_WORDS = (
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b'"',
        b":",
        b",",
        b"null",
        b"true",
        b"NaN",
        b"\\ud800",
    ),
    *(b"1e999", b"\xff", b"\xef\xbb\xbf", b"-1", b'{"a":', b"\n", b"\x00"),
)
CSV_WORDS = (
    *(
        b",",
        b"\n",
        b'"',
        b"\r",
        b"\x00",
        b"\xff",
        b"nan",
        b"inf",
        b"-",
        b"1e999",
    ),
    *(
        b"utterance",
        b"system",
        b"x" * 70000,
        b"\xef\xbb\xbf",
        b"\t",
        b"_",
        b" ",
    ),
)
PICKLE_WORDS = (
    *(
        b"\x85",
        b"\x86",
        b")",
        b"]",
        b"}",
        b"(",
        b"t",
        b"u.",
        b"q\x00",
        b"h\x00",
        b"R",
    ),
    *(
        b"c__builtin__\nbytearray\n",
        b"cos\nsystem\n",
        b"PK\x03\x04",
        b"PK\x01\x02",
    ),
    *(
        b"X\xff\xff\xff\x7f",
        b"\x8a\xff",
        b"Q",
        b".",
        b"\x80\x02",
        b"M\xff\xff",
        b"b",
    ),
)
AUDIO_WORDS = (
    *(
        b"data",
        b"fmt ",
        b"RIFF",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x7f",
    ),
    *(b"fLaC", b"OggS", b"LIST", b"\x00\x00\xc0\x7f", b"\x01\x00"),
)
ENTRY = {
    "noisy_wav": "{data_root}/c.wav",
    "clean_wav": "{data_root}/c.wav",
    "length": 800,
    "speaker": "a",
    "noisy_stamp": None,
}
MIXTURE = {
    "clean_wav": "{data_root}/c.wav",
    "noise_wav": "{noise_root}/c.wav",
    "noise_start": 0,
    "snr_db": -3.0,
    "level_dbfs": -25.0,
    "length": 800,
    "noise": "bus",
    "speaker": "a",
}
RECORD = {
    "excerpt": {"utterance": "a", "start": 0, "length": 800},
    "epoch": 1,
    "generator": "pesq",
    "file": "00001/a.wav",
    "scores": {"pesq": 1.5},
    "noisy_scores": {"pesq": 1.25},
}
JUDGE = saved(Discriminator(heads=2).state_dict())
WEIGHTS = torch.nn.Linear(2, 2).state_dict()
THEIRS = {
    "generator": WEIGHTS,
    "epoch": np.int64(3),
    "stats": {"pesq": np.float64(2)},
}
TABLE = b"client_id\tpath\nanna\tclip_1.mp3\nbert\tclip_2.mp3\n"
HEADS = {"discriminators": [{"weights": "d.ckpt", "heads": ["pesq", "csig"]}]}

# Of a path in a manifest the audio file is named, whatever it is.
AUDIO_NAMED = ("c.wav", ": does not exist", "an audio file", "as audio")
READERS = {
    "overlay": Reader(
        "o.yaml",
        OVERLAY,
        read_overlay,
        YAML_WORDS,
        also_named=("small.yaml", "There is no file"),
    ),
    "base": Reader("small.yaml", EXPERIMENT, read_overlay, YAML_WORDS),
    "study": Reader(
        "study.yaml", STUDY, lambda p: read_study(p, p.parent), YAML_WORDS
    ),
    "manifest": Reader(
        "m.json",
        text_of({"a": ENTRY}),
        read_manifest,
        JSON_WORDS,
        True,
        AUDIO_NAMED,
    ),
    "mixtures": Reader(
        "m.json",
        text_of({"a": MIXTURE}),
        read_mixtures,
        JSON_WORDS,
        True,
        AUDIO_NAMED,
    ),
    "scores": Reader(
        "s.csv",
        b"system,utterance,pesq,csig\nx,a,1.5,2.5\nx,b,,3\n",
        read_scores,
        CSV_WORDS,
    ),
    "levels": Reader(
        "l.csv", b"seconds,dbfs\n0,-40\n2.5,-20\n", read_noise_levels, CSV_WORDS
    ),
    "log": Reader(
        "log.txt",
        b"a bus 17.5\nb cafe 2.5\n",
        lambda path: read_conditions(path, ["a"]),
        CSV_WORDS,
    ),
    "conditions": Reader(
        "c.json",
        text_of({"a": MIXTURE}),
        lambda path: read_conditions(path, ["a"]),
        JSON_WORDS,
        True,
    ),
    "speakers": Reader(
        "clips.tsv", TABLE, lambda path: _clients(path.parent), CSV_WORDS
    ),
    "replay": Reader(
        "replay.ckpt",
        text_of({"format": 1, "past": 1}, RECORD, RECORD),
        _read_records,
        JSON_WORDS,
        True,
    ),
    "weights": Reader("w.ckpt", saved(WEIGHTS), read_layer, PICKLE_WORDS),
    "legacy weights": Reader(
        "w.ckpt",
        saved(WEIGHTS, _use_new_zipfile_serialization=False),
        read_layer,
        PICKLE_WORDS,
    ),
    "packed weights": Reader(
        "w.ckpt",
        packed(saved({"a": torch.zeros(9999)})),
        read_layer,
        PICKLE_WORDS,
    ),
    "authors' weights": Reader(
        "w.pth", saved(THEIRS), read_theirs, PICKLE_WORDS
    ),
    "details": Reader(
        "model.json",
        text_of({"name": "pesq", "details": {"epoch": 3}}),
        lambda path: read_details(path.parent),
        JSON_WORDS,
        True,
    ),
    "discriminators": Reader(
        "discriminator.json",
        text_of(HEADS),
        lambda path: load_discriminator(path.parent),
        JSON_WORDS,
        True,
        also_named=("d.ckpt", "holds no "),  # another name of the weights
    ),
    "wav": Reader("a.wav", audio("WAV"), read_audio, AUDIO_WORDS),
    "flac": Reader("a.flac", audio("FLAC"), read_audio, AUDIO_WORDS),
    "ogg": Reader("a.ogg", audio("OGG"), read_audio, AUDIO_WORDS),
    "raw": Reader("a.raw", audio("WAV"), read_audio, AUDIO_WORDS),
}
