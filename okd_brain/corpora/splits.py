"""Which utterances train and which validate: no speaker does both."""

from collections import Counter

from speechbrain.utils.logger import get_logger

from okd_brain.corpora.manifests import manifest_entry

logger = get_logger(__name__)

SPLITS = ("train", "valid", "test")

VOICEBANK_VALID_SPEAKERS = ("p226", "p287")
"""Validation speakers of VoiceBank-DEMAND, as in SpeechBrain's recipes: 770 of
the 11,572 training utterances."""

MIN_VALID_SHARE = 0.05  # of the training utterances, in any other corpus
MIN_VALID_UTTERANCES = 20  # the mean of fewer PESQ scores is mostly chance


def choose_speakers(speakers):
    """Return the speakers that validate unless the user names others.

    Arguments
    ---------
    speakers : iterable of str
        The speaker of every training utterance.

    Returns
    -------
    list of str
        p226 and p287 if both are there; else the first speakers by name until
        they make 5 % of the utterances and at least 20 of them.

    Example
    -------
    >>> choose_speakers(["anna"] * 15 + ["bert"] * 15 + ["carl"] * 300)
    ['anna', 'bert']
    """
    counts = Counter(speakers)
    if all(speaker in counts for speaker in VOICEBANK_VALID_SPEAKERS):
        return list(VOICEBANK_VALID_SPEAKERS)
    wanted = max(MIN_VALID_UTTERANCES, MIN_VALID_SHARE * counts.total())
    chosen, utterances = [], 0
    for speaker in sorted(counts):
        if utterances >= wanted:
            break
        chosen.append(speaker)
        utterances += counts[speaker]
    return chosen


def known_speakers(wanted, speakers, option="valid_speakers"):
    """Check the speakers that a user names against those of the corpus.

    Arguments
    ---------
    wanted : list of str
        Speakers; numbers stand for their digits.
    speakers : iterable of str
        The speaker of every utterance that may be chosen.
    option : str
        What names them, for messages.

    Returns
    -------
    list of str
        Sorted, without repeats.

    Raises
    ------
    ValueError
        If it is no list, is empty, or names a speaker that is not there.
    """
    if not isinstance(wanted, (list, tuple)) or not wanted:
        raise ValueError(
            f"{option} is {wanted!r}, must be a list of at least one of the "
            "speakers, such as [p226, p287]"
        )
    wanted = {str(speaker) for speaker in wanted}
    there = set(speakers)
    if wanted - there:
        raise ValueError(
            f"{option} names {', '.join(sorted(wanted - there))}, but the corpus "
            f"has only {', '.join(sorted(there)) or 'no speaker at all'} (a "
            "speaker is the part of the file name before its first underscore, "
            "in a folder of speech its sub-folder if it has one)"
        )
    return sorted(wanted)


def split_pairs(good, valid_speakers=None):
    """Divide the training utterances into those that train and validate.

    Arguments
    ---------
    good : list of (Pair, int)
        Pairs and their length in samples at 16 kHz.
    valid_speakers : list of str, optional
        Who validates; default: `choose_speakers`.

    Returns
    -------
    splits : dict
        "train", "valid" and "test" to the content of its manifest.
    valid_speakers : list of str
        Who validates.

    Raises
    ------
    ValueError
        If a split has no utterance.
    """
    if valid_speakers is None:
        valid_speakers = choose_speakers(
            pair.speaker for pair, _ in good if pair.split == "train"
        )
    splits = {split: {} for split in SPLITS}
    speakers = {split: set() for split in SPLITS}
    for pair, samples in good:
        split = pair.split
        if split == "train" and pair.speaker in valid_speakers:
            split = "valid"
        speakers[split].add(pair.speaker)
        splits[split][pair.utterance] = manifest_entry(
            clean=pair.clean,
            noisy=pair.noisy,
            samples=samples,
            speaker=pair.speaker,
        )
    empty = [split for split in SPLITS if not splits[split]]
    if empty:
        raise ValueError(
            f"no utterance is left for {' and '.join(empty)}: the corpus has "
            f"{len(splits['test'])} good test utterances and "
            f"{len(splits['train']) + len(splits['valid'])} good training "
            "utterances, of which the validation speakers "
            f"({', '.join(valid_speakers)}) have {len(splits['valid'])}; "
            "choose them with valid_speakers"
        )
    heard = speakers["test"] & (speakers["train"] | speakers["valid"])
    if heard:
        logger.warning(
            "Test speakers that are also heard in training: %s",
            ", ".join(sorted(heard)),
        )
    return splits, valid_speakers
