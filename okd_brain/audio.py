"""Audio files as users have them: any name, any header, read once to the end.

libsndfile opens nearly everything, and is silent about much: it returns what is
left of a truncated WAV file, calls a recording that was never closed empty, and
allocates whatever a damaged header asks for.  `AudioFile` adds what a reader of
strangers' files needs: names that are not UTF-8, streams of unknown length, and a
plain word about every file that is not what it says.
"""

import io
import os
import re
import struct
from numbers import Integral
from pathlib import Path

import numpy as np
import soundfile

from okd_brain.messages import UserError

SAMPLE_RATES_HZ = (1_000, 768_000)
"""Sample rates that are accepted.  Beyond them a header is damaged, and
resampling would take all memory."""

MAX_PEAK = 16.0
"""Largest sample of floating-point audio, relative to full scale: 24 dB above
it.  Beyond that, integers were stored as floats."""

UNKNOWN_FRAMES = 2**63 - 1  # what libsndfile reports for a stream
OPEN_SIZES = (0, 0xFFFFFFFF)  # of a chunk whose writer could not seek
CONVERTIBLE = frozenset(".m4a .mp4 .aac .wma .webm .mkv .amr .ape".split())
BLOCK = 2**16  # frames
IS_CHUNK = re.compile(rb"[ -~]{4}")  # its name
LOST_SECONDS = 0.1  # of samples behind those announced: fewer are not named
TAGS = (b"ID3", b"TAG", b"APE", b"LYR")  # behind a file, not in chunks


def check_rate(sample_rate):
    """Refuse the sample rate of a wave in memory that cannot be meant.

    Arguments
    ---------
    sample_rate : int
        In Hz.

    Raises
    ------
    UserError
        If it is not a whole number, or outside `SAMPLE_RATES_HZ`.
    """
    lowest, highest = SAMPLE_RATES_HZ
    is_whole = isinstance(sample_rate, Integral)
    if not is_whole or not lowest <= sample_rate <= highest:
        raise UserError(
            f"sample_rate is {sample_rate!r}, must be a whole number of Hz from "
            f"{lowest} to {highest}"
        )


def sample_bits(subtype):
    """Return how many bits a sample takes.

    Arguments
    ---------
    subtype : str
        Of libsndfile.

    Returns
    -------
    int
        8 for compressed types.

    Example
    -------
    >>> sample_bits("PCM_24"), sample_bits("FLOAT"), sample_bits("ULAW")
    (24, 32, 8)
    """
    known = {"PCM_S8": 8, "PCM_U8": 8, "FLOAT": 32, "DOUBLE": 64}
    found = re.search(r"(\d+)$", subtype)
    return known.get(subtype) or (int(found[1]) if found else 8)


class AudioFile(soundfile.SoundFile):
    """An audio file, opened for one pass from its start to its end.

    Arguments
    ---------
    path : str or Path
        Any format of libsndfile; the name may hold any bytes.
    max_peak : float
        Largest sample that is accepted, relative to full scale.

    Raises
    ------
    UserError
        If the file does not exist, is a folder, is not audio that libsndfile
        reads, or has a sample rate outside `SAMPLE_RATES_HZ`.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.zeros((5, 2)), 16000)
    >>> with AudioFile(path) as audio:
    ...     audio.samplerate, [len(block) for block in audio.read_blocks(4)]
    (16000, [4, 1])
    """

    def __init__(self, path, max_peak=MAX_PEAK):
        self.path = Path(path)
        self.max_peak = max_peak
        try:
            is_pipe = self.path.is_fifo()
        except OSError as error:  # a name that is too long, for instance
            raise UserError(
                f"{path}: cannot be read as audio: {error.strerror}."
            ) from None
        if is_pipe:  # opening one waits for whoever writes to it
            raise UserError(f"{path}: is a pipe, must be an audio file.")
        try:
            super().__init__(os.fsencode(path))
            self._unclosed = self._reopen_unclosed()
        except (
            OSError,
            soundfile.SoundFileError,
            TypeError,
            ValueError,
        ) as error:
            if self.path.is_dir():
                raise UserError(
                    f"{path}: is a folder, must be an audio file."
                ) from None
            if not self.path.exists():
                raise UserError(f"{path}: does not exist.") from None
            raise UserError(
                f"{path}: {_unreadable(self.path, error)}"
            ) from None
        self.frames_read = 0
        lowest, highest = SAMPLE_RATES_HZ
        if not lowest <= self.samplerate <= highest:
            self.close()
            raise UserError(
                f"{path}: has a sample rate of {self.samplerate} Hz, must be "
                f"{lowest} to {highest} Hz; the header is damaged, or not audio."
            )

    @property
    def announced_frames(self):
        """Return the frames that the header announces, or None."""
        if self.frames == UNKNOWN_FRAMES:
            return None
        missing = self._missing_bytes()
        if missing:
            return self.frames + missing // self._frame_bytes()
        return self.frames

    def seekable(self):
        """Return False: seeking fails in streams and is needed nowhere."""
        return False

    def read(self, frames, dtype="float32", always_2d=True):
        """Read the next frames.

        Arguments
        ---------
        frames : int
            How many; fewer are returned at the end of the file.
        dtype : str
            As ``soundfile.SoundFile.read``.
        always_2d : bool
            Likewise.

        Returns
        -------
        numpy.ndarray
            [frames, channels], full scale 1.

        Raises
        ------
        UserError
            If the file is damaged here, or a sample exceeds ``max_peak``.
        """
        try:
            block = super().read(frames, dtype=dtype, always_2d=always_2d)
        except (RuntimeError, soundfile.SoundFileError) as error:
            raise UserError(
                f"{self.path}: cannot be read beyond {self.frames_read} of "
                f"{self.frames} samples: {_reason(error)}"
            ) from None
        self.frames_read += len(block)
        peak = _peak(block)
        if peak > self.max_peak:
            raise UserError(
                f"{self.path}: has a sample of {peak:g}, must be within "
                f"{self.max_peak:g} (full scale is 1); integers seem to be stored as "
                "floating-point numbers. Divide by 32768 for 16-bit, for "
                "instance: ffmpeg -i IN -af volume=1/32768 OUT"
            )
        return block

    def read_blocks(self, frames=BLOCK):
        """Yield blocks up to the end, [frames, channels] float32."""
        while True:
            # One more than announced tells whether that was all.
            wanted = min(frames, max(self.frames - self.frames_read, 0) + 1)
            block = self.read(wanted)
            if len(block):
                yield block
            if len(block) < wanted:
                break

    def skip(self, frames):
        """Leave frames out: jump over them, or read them where none can jump.

        Arguments
        ---------
        frames : int
            How many; the file may end before.

        Raises
        ------
        UserError
            If the file is damaged.
        """
        if self.announced_frames is None:
            while frames and len(block := self.read(min(frames, BLOCK))):
                frames -= len(block)
        else:
            self._jump(min(frames, self.frames - self.frames_read))

    def defect(self):
        """Describe what is missing from the file; call at its end.

        Returns
        -------
        str or None
            What its header announces and what it has, or None for a whole file.
        """
        if self._unclosed:
            return (
                "was never closed: its header announces 0 samples, it has "
                f"{self.frames_read}"
            )
        announced = self.announced_frames
        if announced is not None and self.frames_read < announced:
            return (
                f"is truncated: its header announces {announced} samples "
                f"({announced / self.samplerate:.3f} s), it has "
                f"{self.frames_read} ({self.frames_read / self.samplerate:.3f} "
                "s)"
            )
        if lost := self._unannounced_frames():
            return (
                f"holds more than its header announces: {self.frames_read} "
                f"samples ({self.frames_read / self.samplerate:.3f} s) are read, "
                f"about {lost} behind them are not"
            )
        if self.format == "OGG" and not _ends_as_ogg(self.path):
            return (
                "is truncated: its last page is missing; it has "
                f"{self.frames_read} samples "
                f"({self.frames_read / self.samplerate:.3f} s)"
            )
        return None

    def _jump(self, frames):
        """Leave frames out without reading them."""
        try:
            super().seek(frames, os.SEEK_CUR)
        except (RuntimeError, soundfile.SoundFileError) as error:
            raise UserError(
                f"{self.path}: cannot be read from sample "
                f"{self.frames_read + frames} on: {_reason(error)}"
            ) from None
        self.frames_read += frames

    def _frame_bytes(self):
        """Return the size of a frame of PCM in bytes."""
        return max(1, self.channels * sample_bits(self.subtype) // 8)

    def _missing_bytes(self):
        """Return how many bytes of samples a WAV header has too many."""
        found = re.search(
            r"^data : (\d+) \(should be (\d+)\)", self.extra_info, re.MULTILINE
        )
        if found is None:
            return 0
        announced, present = map(int, found.groups())
        # Programs that write to a pipe leave the size open, which is not a defect.
        left_open = announced in OPEN_SIZES or announced >= 0x7FFFF000
        # A missing pad byte at the very end is common and harmless.
        return (
            0 if left_open or announced - present <= 1 else announced - present
        )

    def _unannounced_frames(self):
        """Return how many frames a WAV file has behind those of its header."""
        if self.format not in ("WAV", "WAVEX"):
            return 0
        _, announced, behind = _samples_of_wav(self.path)
        frames = behind // self._frame_bytes()
        lost = frames >= LOST_SECONDS * self.samplerate
        return frames if announced and lost else 0

    def _reopen_unclosed(self):
        """Open what a crashed recorder left, whose header announces nothing."""
        if self.format not in ("WAV", "WAVEX") or self.frames:
            return False
        start, _, behind = _samples_of_wav(self.path)
        if behind < self._frame_bytes():
            return False
        layout = (self.samplerate, self.channels, self.subtype, "LITTLE", "RAW")
        self.close()
        super().__init__(_Tail(self.path, start), "r", *layout)
        return True


class _Tail(io.FileIO):
    """A file without its first bytes."""

    def __init__(self, path, start):
        super().__init__(path)
        self.start = start
        self.seek(0)

    def seek(self, offset, whence=os.SEEK_SET):
        """Move, counted from where the tail starts."""
        shift = self.start if whence == os.SEEK_SET else 0
        return super().seek(offset + shift, whence) - self.start

    def tell(self):
        """Return the position in the tail."""
        return super().tell() - self.start


def read_audio(path):
    """Read a whole audio file.

    Arguments
    ---------
    path : str or Path
        As for `AudioFile`.

    Returns
    -------
    samples : numpy.ndarray
        [frames, channels], float32, full scale 1.
    sample_rate : int
        In Hz.
    defect : str or None
        See `AudioFile.defect`.

    Raises
    ------
    UserError
        As `AudioFile`.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.flac"
    >>> soundfile.write(path, np.zeros(5), 8000)
    >>> samples, rate, defect = read_audio(path)
    >>> samples.shape, rate, defect
    ((5, 1), 8000, None)
    """
    with AudioFile(path) as audio:
        blocks = list(audio.read_blocks())
        if not blocks:
            blocks = [np.zeros((0, audio.channels), dtype=np.float32)]
        samples = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return samples, audio.samplerate, audio.defect()


def printable(path):
    r"""Return a path as text that any terminal and file takes.

    Bytes that are not UTF-8 are shown escaped.

    Arguments
    ---------
    path : str or Path
        As Python decodes names of files.

    Returns
    -------
    str

    Example
    -------
    >>> print(printable(os.fsdecode(b"caf\xe9.wav")))
    caf\xe9.wav
    """
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def _samples_of_wav(path):
    """Return where samples begin, their announced size, and the size behind them.

    All in bytes. What is behind the samples counts unless it is chunks or tags,
    as programs add them.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as stream:

        def chunk(position):
            stream.seek(position)
            header = stream.read(8)
            return struct.unpack("<4sI", header) if len(header) == 8 else None

        position = 12
        while (found := chunk(position)) and IS_CHUNK.fullmatch(found[0]):
            name, announced = found
            position += 8
            if name == b"data":
                break
            position += announced + announced % 2
        else:
            return size, 0, 0
        end = position + announced
        for start in {end, end + announced % 2}:  # some leave the pad byte out
            stream.seek(start)
            rest = stream.read(2**16)
            padded = announced and not rest.strip(bytes(1))
            if padded or rest.startswith(TAGS):
                return position, announced, 0
            while (found := chunk(start)) and IS_CHUNK.fullmatch(found[0]):
                start += 8 + found[1] + found[1] % 2
            if start in (size, size + 1):
                return position, announced, 0
    return position, announced, max(0, size - end)


def _unreadable(path, error):
    """Return why a file cannot be opened, and what helps."""
    text = f"cannot be read as audio: {_reason(error)}"
    if path.suffix.lower() in CONVERTIBLE:
        text += f" Convert it: ffmpeg -i {printable(path.name)} out.wav"
    return text


def _peak(block):
    """Return the largest finite magnitude.

    NaN is judged by those who know what it would do.
    """
    if not block.size:
        return 0.0
    peak = max(block.max(), -block.min())
    if np.isfinite(peak):
        return peak
    return np.max(np.abs(block), initial=0, where=np.isfinite(block))


def _reason(error):
    """Return libsndfile's words without its name of the file."""
    return str(getattr(error, "error_string", None) or error)


def _ends_as_ogg(path):
    """Tell whether the last page of an Ogg file says that it is the last."""
    with open(path, "rb") as stream:
        stream.seek(max(0, os.path.getsize(path) - 2**17))
        tail = stream.read()
    page = tail.rfind(b"OggS")
    return page >= 0 and len(tail) > page + 5 and bool(tail[page + 5] & 4)
