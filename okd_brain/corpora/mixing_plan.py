"""Which speech meets which noise, where and how loud."""

import math
import zlib
from dataclasses import dataclass, field

import numpy as np

from okd_brain.corpora.checks import SILENCE_DBFS, Violation, level_dbfs
from okd_brain.corpora.mixtures import LEVEL_DBFS, mixture_entry, read_noise
from okd_brain.corpora.preparation import check_switch
from okd_brain.corpora.splits import SPLITS

OFFSETS = ("random", "start")
PEAK_DBFS = -0.1  # speech goes through a converter; noise does not
DRAWS = 20  # noises with pauses have silent stretches, but not only


@dataclass(frozen=True)
class MixingPlan:
    """How the mixtures of a corpus are made.

    Arguments
    ---------
    train_snrs_db, test_snrs_db : sequence of float
        Ratios of the powers of speech and noise in dB; validation has those of
        training.
    noise_offset : str
        "random", or "start": always the beginning of a noise, as in the
        authors' scripts (here of the part that serves the split).
    level_dbfs : float
        RMS level of the speech, in dB relative to full scale.  Speech whose
        peaks would reach full scale is made as much softer as that takes, and
        its noise with it.
    paper_mixing : bool
        Halve all ratios, as the authors' scripts do
        (`okd_brain.corpora.mixtures.mixture_entry`).
    max_mixtures : dict
        Split -> number of mixtures, or None for every speech in every type of
        noise at every ratio.  Fewer are drawn such that noises and ratios
        occur equally often, to within one.
    loop_noise : bool
        Repeat noise that is shorter than its speech; otherwise such a file is
        an error.
    seed : int
        Decides what is drawn, and where noise begins.

    Raises
    ------
    ValueError
        If a value is impossible.
    """

    train_snrs_db: tuple = (-11, -7, -3)
    test_snrs_db: tuple = (-13, -9, -5, -1)
    noise_offset: str = "random"
    level_dbfs: float = LEVEL_DBFS
    paper_mixing: bool = False
    max_mixtures: dict = field(default_factory=dict)
    loop_noise: bool = False
    seed: int = 0

    def __post_init__(self):
        for name in ("train_snrs_db", "test_snrs_db"):
            snrs_db = getattr(self, name)
            if (
                not isinstance(snrs_db, (list, tuple))
                or not snrs_db
                or not all(map(_is_finite, snrs_db))
                or len(set(snrs_db)) < len(snrs_db)
            ):
                raise ValueError(
                    f"{name} is {snrs_db!r}, must be a list of different "
                    "numbers of dB, such as [-11, -7, -3]"
                )
        if self.noise_offset not in OFFSETS:
            raise ValueError(
                f"noise_offset is {self.noise_offset!r}, must be one of "
                f"{', '.join(OFFSETS)}"
            )
        for name in ("paper_mixing", "loop_noise"):
            check_switch(name, getattr(self, name))
        if not _is_finite(self.level_dbfs) or self.level_dbfs > 0:
            raise ValueError(
                f"level_dbfs is {self.level_dbfs!r}, must be a number of dB "
                "below full scale, such as -25"
            )
        unknown = sorted(set(self.max_mixtures) - set(SPLITS))
        if unknown:
            raise ValueError(
                f"max_mixtures has {', '.join(map(repr, unknown))}, but the "
                f"splits are {', '.join(SPLITS)}"
            )
        for split, most in self.max_mixtures.items():
            if most is not None and (not isinstance(most, int) or most < 1):
                raise ValueError(
                    f"max_{split}_mixtures is {most!r}, must be a number of "
                    "mixtures from 1 on, or null for all"
                )

    def snrs_db(self, split):
        """Return the ratios of a split."""
        return self.test_snrs_db if split == "test" else self.train_snrs_db

    def conditions(self, split, utterances, noises):
        """Draw which speech is mixed with which noise at which ratio.

        Speech, shuffled once, and conditions (a noise at a ratio) go round in
        turn.  Wherever both come back to their start, the conditions skip one,
        so that in the end each combination has been met once.

        Arguments
        ---------
        split : str
            Of whose mixtures it is.
        utterances : list
            The speech.
        noises : list of str
            The types of noise.

        Yields
        ------
        (utterance, str, float)
            Speech, noise type and ratio in dB.
        """
        pairs = [(n, snr_db) for n in noises for snr_db in self.snrs_db(split)]
        order = _generator(self.seed, split).permutation(len(utterances))
        total = len(utterances) * len(pairs)
        together = math.lcm(len(utterances), len(pairs)) or 1
        for count in range(min(total, self.max_mixtures.get(split) or total)):
            noise, snr_db = pairs[(count + count // together) % len(pairs)]
            yield utterances[order[count % len(order)]], noise, snr_db


def plan_mixtures(plan, split, utterances, sources, noise_root):
    """Write down all mixtures of a split.

    Arguments
    ---------
    plan : MixingPlan
        How.
    split : str
        One of train, valid and test.
    utterances : list of (Utterance, Recording)
        Speech, and its 16 kHz file.
    sources : dict
        Type -> list of NoiseSource.
    noise_root : Path
        Where their files are.

    Returns
    -------
    entries : dict
        Name, like ``male_001_Babble_-11dB`` -> entry of a manifest; sorted.
    violations : list of Violation
        Noises of which no stretch with sound was found, in 20 draws.
    """
    assert split in SPLITS
    entries, silent = {}, {}
    for (utterance, recording), noise, snr_db in plan.conditions(
        split, utterances, list(sources)
    ):
        name = f"{utterance.name}_{noise}_{snr_db:g}dB"
        drawn = _draw_stretch(
            sources[noise],
            recording.samples,
            # By name: another choice of speech or noise leaves it as it is.
            rng=_generator(plan.seed, name),
            noise_root=noise_root,
            plan=plan,
        )
        if drawn is None:
            silent.setdefault(noise, name)
            continue
        path, start = drawn
        entries[name] = mixture_entry(
            clean=recording.path,
            noise=path,
            noise_start=start,
            snr_db=snr_db,
            samples=recording.samples,
            speaker=utterance.speaker,
            noise_type=noise,
            level_dbfs=min(plan.level_dbfs, PEAK_DBFS - recording.crest_db),
            paper_mixing=plan.paper_mixing,
        )
    violations = [
        Violation(
            str(noise_root / sources[noise][0].path),
            f"and others of its type have only silence where {plan.noise_offset} "
            f"stretches are taken from, as for {name}",
        )
        for noise, name in sorted(silent.items())
    ]
    return dict(sorted(entries.items())), violations


def _draw_stretch(sources, samples, *, rng, noise_root, plan):
    """Return a file and the first sample of a stretch that is not silent."""
    for _ in range(DRAWS):
        source = sources[rng.integers(len(sources))]
        start = source.begin
        if plan.noise_offset == "random":
            last = source.end - samples
            if last < source.begin:  # looped, from anywhere
                last = source.end - 1
            start = int(rng.integers(source.begin, last + 1))
        stretch = read_noise(
            noise_root / source.path, start, samples, loop=plan.loop_noise
        )
        if level_dbfs(stretch.numpy()) > SILENCE_DBFS:
            return source.path, start
    return None


def _generator(seed, name):
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _is_finite(value):
    return isinstance(value, (int, float)) and math.isfinite(value)
