"""Which speech meets which noise, where and how loud."""

import math
import zlib
from dataclasses import asdict, dataclass, field, fields

import numpy as np

from okd_brain.corpora.checks import SILENCE_DBFS, Violation, level_dbfs
from okd_brain.corpora.mixtures import mixture_entry, read_noise
from okd_brain.corpora.splits import SPLITS
from okd_brain.files import short_name
from okd_brain.messages import UserError, check_switch, offer
from okd_brain.signals import LEVEL_DBFS

OFFSETS = ("random", "start")
PEAK_DBFS = -0.1  # speech goes through a converter; noise does not
DRAWS = 20  # noises with pauses have silent stretches, but not only
MAX_MIXTURES = {"train": 10_000, "valid": 200, "test": 800}
"""About as many as VoiceBank-DEMAND has; fewer to validate, which is often."""


@dataclass(frozen=True, kw_only=True)
class MixingPlan:
    """How the mixtures of a corpus are made.

    In the YAML of an experiment, ``!new:okd_brain.corpora.MixingPlan`` takes
    these arguments. The defaults suit speech enhancement: ratios and numbers are
    those of VoiceBank-DEMAND.

    Arguments
    ---------
    train_snrs_db, test_snrs_db : list of float
        Ratios of the powers of speech and noise in dB, for training and
        validation, and for the test; a range is the list of its steps.
    max_mixtures : dict
        Split -> number of mixtures, or None for every speech in every type of
        noise at every ratio. Fewer are drawn such that noises and ratios occur
        equally often, to within one. A split that is absent has the number in
        `MAX_MIXTURES`.
    mixing_seed : int
        Decides which mixtures are drawn, and where noise begins.
    test_speakers : list of str, optional
        Speakers of a folder of speech that test; default:
        `okd_brain.corpora.splits.split_by_speaker`.
    train_noises, valid_noises, test_noises : list of str, optional
        Types of noise, none of them in two lists; default:
        `okd_brain.corpora.noise_sets.choose_noises`.
    level_dbfs : float or list of float
        RMS level of the speech, in dB relative to full scale; of a list, each
        mixture draws one. Speech whose peaks would reach full scale is made as
        much softer as that takes, and its noise with it; the sum of the two may
        exceed full scale.
    noise_offset : str
        "random", or "start": always the beginning of a noise, as in the
        authors' scripts (here of the part that serves the split).
    loop_noise : bool
        Repeat noise that is shorter than its speech; otherwise such a file is
        an error.
    paper_mixing : bool
        Halve all ratios, as the authors' scripts do by mistake, to compare
        figures (`okd_brain.corpora.mixtures.mixture_entry`).
    write_mixtures : bool
        Write all mixtures to ``mixtures`` in the output folder, a corpus in the
        layout of the authors' code, instead of mixing on the fly.

    Raises
    ------
    ValueError
        If an option is unknown (close matches are offered) or a value is
        impossible.
    """

    train_snrs_db: tuple = (0, 5, 10, 15)
    test_snrs_db: tuple = (2.5, 7.5, 12.5, 17.5)
    max_mixtures: dict = field(default_factory=MAX_MIXTURES.copy)
    mixing_seed: int = 0
    test_speakers: list = None
    train_noises: list = None
    valid_noises: list = None
    test_noises: list = None
    level_dbfs: float = LEVEL_DBFS
    noise_offset: str = "random"
    loop_noise: bool = True
    paper_mixing: bool = False
    write_mixtures: bool = False

    def __new__(cls, **options):
        """Refuse unknown options in words; a TypeError offers nothing."""
        known = [option.name for option in fields(cls)]
        for name in options:
            if name not in known:
                raise UserError(
                    f"mixing has no option {name!r}{offer(name, known)}"
                )
        return super().__new__(cls)

    def __post_init__(self):
        for name in ("train_snrs_db", "test_snrs_db"):
            snrs_db = getattr(self, name)
            if (
                not isinstance(snrs_db, (list, tuple))
                or not snrs_db
                or not all(map(_is_finite, snrs_db))
                or len(set(snrs_db)) < len(snrs_db)
            ):
                raise UserError(
                    f"{name} is {snrs_db!r}, must be a list of different "
                    "numbers of dB, such as [-11, -7, -3]"
                )
        if self.noise_offset not in OFFSETS:
            raise UserError(
                f"noise_offset is {self.noise_offset!r}, must be one of "
                f"{', '.join(OFFSETS)}"
            )
        for name in ("loop_noise", "paper_mixing", "write_mixtures"):
            check_switch(name, getattr(self, name))
        levels = self.levels_dbfs
        if not levels or not all(_is_finite(v) and v <= 0 for v in levels):
            raise UserError(
                f"level_dbfs is {self.level_dbfs!r}, must be a number of dB "
                "below full scale, such as -25, or a list of them"
            )
        self._check_max_mixtures()

    @property
    def levels_dbfs(self):
        """The levels of speech that occur, a list."""
        level = self.level_dbfs
        return list(level) if isinstance(level, (list, tuple)) else [level]

    def _check_max_mixtures(self):
        """Refuse impossible numbers and fill in those of absent splits."""
        if not isinstance(self.max_mixtures, dict):
            raise UserError(
                f"max_mixtures is {self.max_mixtures!r}, must be a number for "
                f"each split, such as {MAX_MIXTURES}"
            )
        unknown = sorted(set(self.max_mixtures) - set(SPLITS))
        if unknown:
            raise UserError(
                f"max_mixtures has {', '.join(map(repr, unknown))}, but the "
                f"splits are {', '.join(SPLITS)}"
            )
        for split, most in self.max_mixtures.items():
            if most is not None and (not isinstance(most, int) or most < 1):
                raise UserError(
                    f"max_{split}_mixtures is {most!r}, must be a number of "
                    "mixtures from 1 on, or null for all"
                )
        filled = MAX_MIXTURES | self.max_mixtures
        object.__setattr__(self, "max_mixtures", filled)

    def snrs_db(self, split):
        """Return the ratios of a split."""
        return self.test_snrs_db if split == "test" else self.train_snrs_db

    def conditions(self, split, utterances, noises):
        """Draw which speech is mixed with which noise at which ratio.

        Speech, shuffled once, and conditions (a noise at a ratio) go round in
        turn. Wherever both come back to their start, the conditions skip one, so
        that in the end each combination has been met once.

        Arguments
        ---------
        split : str
            Whose mixtures are drawn.
        utterances : list
            The speech.
        noises : list of str
            The types of noise.

        Returns
        -------
        list of (utterance, str, float)
            Speech, noise type and ratio in dB.
        """
        pairs = [(n, snr_db) for n in noises for snr_db in self.snrs_db(split)]
        rng = _generator(self.mixing_seed, split)
        order = rng.permutation(len(utterances))
        total = len(utterances) * len(pairs)
        together = math.lcm(len(utterances), len(pairs)) or 1
        return [
            (
                utterances[order[count % len(order)]],
                *pairs[(count + count // together) % len(pairs)],
            )
            for count in range(min(total, self.max_mixtures[split] or total))
        ]


def check_mixing(mixing, noise_folder):
    """Refuse a value that is not a plan, and a plan that has nothing to mix.

    Arguments
    ---------
    mixing : MixingPlan
        From an experiment.
    noise_folder : str or None
        Without one nothing is mixed, so that options of the plan do nothing.

    Raises
    ------
    ValueError
        If it is something else, or there is no noise and an option of the plan
        is not the default.
    """
    if not isinstance(mixing, MixingPlan):
        raise UserError(
            f"mixing is {mixing!r}, but 'key: value' lines are expected, the "
            "options of !new:okd_brain.corpora.MixingPlan."
        )
    for name, default in asdict(MixingPlan()).items():
        value = getattr(mixing, name)
        if isinstance(default, tuple):  # YAML has lists
            value, default = list(value), list(default)
        if noise_folder is None and value != default:
            raise UserError(
                f"mixing has {name}: {value!r}, but there is no noise_folder, "
                "without which it does nothing."
            )


def plan_mixtures(plan, split, utterances, sources, noise_root):
    """Describe all mixtures of a split.

    Arguments
    ---------
    plan : MixingPlan
        How they are made.
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
        Noises in which 20 draws found no stretch with sound.
    """
    entries, silent = {}, {}
    for (utterance, recording), noise, snr_db in plan.conditions(
        split, utterances, list(sources)
    ):
        name = short_name(f"{utterance.name}_{noise}_{snr_db:g}dB")
        drawn = _draw_stretch(
            sources[noise],
            recording.samples,
            # By name: another choice of speech or noise leaves it as it is.
            rng=_generator(plan.mixing_seed, name),
            noise_root=noise_root,
            plan=plan,
        )
        if drawn is None:
            silent.setdefault(noise, name)
            continue
        path, start = drawn
        levels = plan.levels_dbfs
        rng = _generator(plan.mixing_seed, f"level of {name}")
        level = levels[rng.integers(len(levels))]
        entries[name] = mixture_entry(
            clean=recording.path,
            noise=path,
            noise_start=start,
            snr_db=snr_db,
            samples=recording.samples,
            speaker=utterance.speaker,
            noise_type=noise,
            level_dbfs=min(level, PEAK_DBFS - recording.crest_db),
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
    """Return a generator of random numbers for a name."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def _is_finite(value):
    """Tell whether a value is a finite number."""
    return isinstance(value, (int, float)) and math.isfinite(value)
