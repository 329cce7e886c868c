"""Preparing a corpus: layouts, one report of all that is wrong, re-use."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_corpus import burst, write_corpus, write_streamed_flac, write_wave

import okd_brain.corpora.paired
from okd_brain.corpora import LAYOUTS, make_dataset, prepare_corpus
from okd_brain.messages import UserError

RELEASE_16K, RELEASE_48K, *_, AUTHORS, UNDIVIDED = LAYOUTS
DIVIDED = [layout for layout in LAYOUTS if layout.divided]


def choose(speakers):
    return ["p226"]


def prepare(corpus, output, **kwargs):
    options = {"choose": choose, "progressbar": False, **kwargs}
    return prepare_corpus(corpus, output, **options)


def snapshot(folder):
    """Return what is in a folder, with contents and times."""
    return {
        str(path): (
            path.stat().st_mtime_ns,
            path.is_file() and path.read_bytes(),
        )
        for path in sorted(folder.rglob("*"))
    }


def manifests(prepared):
    return {s: Path(p).read_text() for s, p in prepared.manifests.items()}


@pytest.fixture
def corpus(tmp_path):
    return write_corpus(tmp_path / "corpus", RELEASE_16K)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "output"


@pytest.fixture
def no_reading(monkeypatch):
    """Make sure that no audio is read from here on."""

    def start():
        def examine_pairs(*args, **kwargs):
            raise AssertionError("the corpus is read again")

        monkeypatch.setattr(
            okd_brain.corpora.paired, "examine_pairs", examine_pairs
        )

    return start


# Layouts and manifests


@pytest.mark.parametrize("layout", DIVIDED, ids=lambda layout: layout.name)
def test_every_layout(tmp_path, output, layout):
    corpus = write_corpus(tmp_path / "corpus", layout)
    before = snapshot(corpus)
    prepared = prepare(corpus, output)
    assert snapshot(corpus) == before  # nothing written, touched or removed
    assert prepared.layout == layout.name
    assert prepared.valid_speakers == ["p226"]
    assert prepared.utterances == {"train": 4, "valid": 2, "test": 2}
    names = {
        "train": ["p225_001", "p225_002", "p287_001", "p287_002"],
        "valid": ["p226_001", "p226_002"],
        "test": ["p232_001", "p232_002"],
    }
    for split, path in prepared.manifests.items():
        assert Path(path) == output / f"{split}.json"
        dataset = make_dataset(path, prepared.data_root)
        assert [item["id"] for item in dataset] == names[split]
        for item in dataset:
            assert item["noisy_sig"].shape == item["clean_sig"].shape == (4800,)
            assert not item["noisy_sig"].equal(item["clean_sig"])


def test_manifest_entry(corpus, output):
    prepared = prepare(corpus, output)
    manifest = json.loads(Path(prepared.manifests["train"]).read_text())
    stamps = {}
    for kind in ("noisy", "clean"):
        path = corpus / f"{kind}_trainset_28spk_wav_16k" / "p225_001.wav"
        status = path.stat()
        stamps[f"{kind}_stamp"] = [status.st_size, status.st_mtime_ns]
    assert manifest["p225_001"] == {
        "noisy_wav": "{data_root}/noisy_trainset_28spk_wav_16k/p225_001.wav",
        "clean_wav": "{data_root}/clean_trainset_28spk_wav_16k/p225_001.wav",
        "length": 4800,
        "duration": 0.3,
        "speaker": "p225",
        **stamps,
    }
    assert prepared.data_root == str(corpus)


def test_order_does_not_depend_on_the_file_system(
    corpus, output, tmp_path, monkeypatch, no_reading
):
    first = manifests(prepare(corpus, output))
    walk = os.walk

    def backwards(*args, **kwargs):
        for root, inside, names in walk(*args, **kwargs):
            inside.sort(reverse=True)
            yield root, inside, sorted(names, reverse=True)

    monkeypatch.setattr(os, "walk", backwards)
    assert manifests(prepare(corpus, tmp_path / "second")) == first
    no_reading()
    prepare(corpus, output)  # no difference is seen, and so nothing re-read


def test_number_of_threads_changes_nothing(corpus, output, tmp_path):
    one = prepare(corpus, output, n_jobs=1)
    four = prepare(corpus, tmp_path / "four", n_jobs=4)
    assert manifests(one) == manifests(four)


def test_speaker_comes_from_the_file_name_not_the_path(tmp_path, output):
    corpus = write_corpus(tmp_path / "p225_p226_p287", RELEASE_16K)
    assert prepare(corpus, output).utterances["train"] == 4


def test_28_speakers_and_16_khz_come_first(tmp_path, output):
    corpus = tmp_path / "corpus"
    for layout in reversed(DIVIDED):
        write_corpus(corpus, layout, each=1)
    assert prepare(corpus, output).layout == RELEASE_16K.name
    shutil.rmtree(corpus / "noisy_testset_wav_16k")
    assert prepare(corpus, output).layout == RELEASE_48K.name


def test_unknown_layout_says_what_is_missing_of_each(tmp_path, output):
    corpus = write_corpus(tmp_path / "corpus", RELEASE_16K)
    (corpus / "noisy_testset_wav_16k").rename(corpus / "noisy")
    with pytest.raises(ValueError) as error:
        prepare(corpus, output)
    assert "28 speakers, 16000 Hz: missing noisy_testset_wav_16k\n" in str(
        error.value
    )
    assert "authors' code: missing train/clean, train/noisy" in str(error.value)
    with pytest.raises(ValueError, match="nowhere does not exist$"):
        prepare(tmp_path / "nowhere", output)


def test_hidden_files_and_other_suffixes_do_not_belong_to_the_corpus(
    corpus, output
):
    folder = corpus / "clean_trainset_28spk_wav_16k"
    (folder / "._p225_001.wav").write_text("left behind by a Mac")
    (folder / "log.txt").write_text("")
    (folder / "p999_001.wav").mkdir()
    assert prepare(corpus, output).utterances["train"] == 4


def test_empty_folders(tmp_path, output):
    for folder in RELEASE_16K.folders():
        (tmp_path / "corpus" / folder).mkdir(parents=True)
    with pytest.raises(ValueError, match="left for train and valid and test"):
        prepare(tmp_path / "corpus", output)


# Options


def test_validation_speakers_are_chosen_among_those_that_train(corpus, output):
    asked = []

    def choose(speakers):
        asked.extend(speakers)
        return ["p287"]

    assert prepare(corpus, output, choose=choose).valid_speakers == ["p287"]
    assert asked == ["p225", "p225", "p226", "p226", "p287", "p287"]


def test_named_validation_speakers(corpus, output):
    prepared = prepare(corpus, output, valid_speakers=["p225"])
    assert prepared.valid_speakers == ["p225"]
    assert prepared.utterances == {"train": 4, "valid": 2, "test": 2}


def test_unknown_validation_speaker_fails_before_reading(
    corpus, output, no_reading
):
    no_reading()
    with pytest.raises(ValueError, match="names p232, but the corpus has only"):
        prepare(corpus, output, valid_speakers=["p232"])


def test_nothing_left_to_train_on(corpus, output):
    with pytest.raises(ValueError, match="no utterance is left for train"):
        prepare(corpus, output, valid_speakers=["p225", "p226", "p287"])


@pytest.mark.parametrize("value", [None, "True", 1])
def test_skip_bad_files_must_be_said_in_full(corpus, output, value):
    with pytest.raises(ValueError, match="write --skip_bad_files True"):
        prepare(corpus, output, skip_bad_files=value)


@pytest.mark.parametrize("inside", ["", "clean_testset_wav_16k/results"])
def test_output_in_the_corpus_is_refused(corpus, inside):
    before = snapshot(corpus)
    with pytest.raises(ValueError, match="into which nothing is written"):
        prepare(corpus, corpus / inside)
    assert snapshot(corpus) == before


# Bad files


def damage(corpus):
    """Break one rule with each file; return {relative path: part of the rule}."""
    train, test = "trainset_28spk_wav_16k", "testset_wav_16k"
    expected = {}

    def spoil(path, rule, samples=None, **kwargs):
        expected[path] = rule
        if samples is not None:
            write_wave(corpus / path, samples, **kwargs)
        return corpus / path

    spoil(f"clean_{train}/p225_001.wav", "has no partner")
    (corpus / f"noisy_{train}/p225_001.wav").unlink()
    spoil(f"noisy_{test}/p232_001.wav", "has no partner")
    (corpus / f"clean_{test}/p232_001.wav").unlink()
    spoil(f"clean_{train}/p225_003.wav", "48000 Hz", burst(), sample_rate=48000)
    stereo = np.stack([burst(), burst()], axis=1)
    spoil(f"noisy_{train}/p225_004.wav", "2 channels", stereo)
    spoil(f"noisy_{train}/p225_005.wav", "257 samples shorter", burst()[:-257])
    spoil(f"clean_{train}/p226_003.wav", "is silent", np.zeros(4800))
    spoil(f"clean_{train}/p226_004.wav", "4000 samples", burst()[:4000])
    nan = np.append(burst()[:-1], np.nan)
    spoil(
        f"noisy_{train}/p287_003.wav", "NaN or infinite", nan, subtype="FLOAT"
    )
    spoil(f"noisy_{test}/p232_003.wav", "cannot be read").write_text("no audio")
    path = spoil(f"clean_{test}/p232_004.wav", "is truncated")
    path.write_bytes(path.read_bytes()[:9000])
    return expected


def test_all_bad_files_are_in_one_report(tmp_path, output):
    corpus = write_corpus(tmp_path / "corpus", RELEASE_16K, each=5)
    expected = damage(corpus)
    before = snapshot(corpus)
    with pytest.raises(ValueError) as error:
        prepare(corpus, output)
    report = str(error.value)
    for path, rule in expected.items():
        lines = [li for li in report.splitlines() if f"{corpus / path}: " in li]
        assert any(rule in line for line in lines), (path, rule, report)
    # Two good files are longer than their cut partners.
    assert f"{len(expected) + 2} files break a rule" in report
    assert "--skip_bad_files True" in report
    stored = (output / "bad_files.txt").read_text()
    assert all(f"{corpus / path}\t" in stored for path in expected)
    assert snapshot(corpus) == before
    assert os.listdir(output) == ["bad_files.txt"]


def test_bad_files_are_left_out_and_logged_if_asked(tmp_path, output, caplog):
    corpus = write_corpus(tmp_path / "corpus", RELEASE_16K, each=5)
    expected = damage(corpus)
    prepared = prepare(corpus, output, skip_bad_files=True)
    assert prepared.utterances == {"train": 5, "valid": 3, "test": 2}
    kept = "".join(manifests(prepared).values())
    for path, rule in expected.items():
        assert Path(path).name not in kept
        assert f"{corpus / path}: " in caplog.text
        assert rule in caplog.text
    caplog.clear()
    prepare(corpus, output, skip_bad_files=True)
    assert "bad files left out 12" in caplog.text


def test_report_of_an_earlier_state_is_removed(corpus, output):
    path = corpus / "clean_testset_wav_16k" / "p232_001.wav"
    whole = path.read_bytes()
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be read"):
        prepare(corpus, output)
    path.write_bytes(whole)
    prepare(corpus, output)
    assert not (output / "bad_files.txt").exists()


def test_tail_within_the_tolerance_is_cut(corpus, output):
    path = corpus / "noisy_testset_wav_16k" / "p232_001.wav"
    write_wave(path, burst(0.316))
    prepared = prepare(corpus, output)
    item = make_dataset(prepared.manifests["test"], corpus)[0]
    assert item["noisy_sig"].shape == item["clean_sig"].shape == (4800,)


# Re-use


def test_same_corpus_and_options_are_not_read_again(corpus, output, no_reading):
    first = prepare(corpus, output)
    written = snapshot(output)
    no_reading()
    assert prepare(corpus, output) == first
    assert snapshot(output) == written


def test_moved_corpus_and_output_are_not_read_again(
    corpus, output, tmp_path, no_reading
):
    first = prepare(corpus, output)
    no_reading()
    moved = prepare(
        corpus.rename(tmp_path / "new"), output.rename(tmp_path / "new_output")
    )
    assert moved.data_root == str(tmp_path / "new")
    assert manifests(moved) != {}
    assert moved.utterances == first.utterances


def test_changed_corpus_is_read_again(corpus, output):
    prepare(corpus, output)
    for kind in ("clean", "noisy"):
        folder = corpus / f"{kind}_testset_wav_16k"
        shutil.copy(folder / "p232_001.wav", folder / "p232_003.wav")
    assert prepare(corpus, output).utterances["test"] == 3
    write_wave(folder / "p232_001.wav", np.zeros(4800))
    with pytest.raises(ValueError, match="is silent"):
        prepare(corpus, output)


def test_changed_option_is_prepared_again(corpus, output):
    prepare(corpus, output)
    assert prepare(corpus, output, valid_speakers=["p225"]).utterances == {
        "train": 4,
        "valid": 2,
        "test": 2,
    }


def test_interrupted_preparation_is_done_again(corpus, output, monkeypatch):
    first = prepare(corpus, output)
    before = manifests(first)

    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(okd_brain.corpora.paired, "write_manifest", interrupt)
        prepare(corpus, output, valid_speakers=["p225"])
    # The old options again: the old record must not vouch for the new files.
    assert not (output / "corpus.json").exists()
    assert manifests(prepare(corpus, output)) == before


def test_missing_manifest_is_written_again(corpus, output):
    (Path(prepare(corpus, output).manifests["valid"])).unlink()
    assert Path(prepare(corpus, output).manifests["valid"]).exists()


@pytest.mark.parametrize("name", ["corpus.json", "valid.json"])
def test_damaged_manifests_are_written_again(corpus, output, name, caplog):
    before = manifests(prepare(corpus, output))
    (output / name).write_text('{"p225_001": {"le')
    assert manifests(prepare(corpus, output)) == before
    assert f"{name} is damaged" in caplog.text


def test_a_file_that_changes_during_a_run_is_named(corpus, output):
    prepared = prepare(corpus, output)
    train = prepared.datasets()["train"]
    path = corpus / "noisy_trainset_28spk_wav_16k" / "p225_001.wav"
    assert len(train[0]["noisy_sig"])
    os.utime(path, ns=(0, 0))
    with pytest.raises(UserError, match="noisy_.*p225_001.wav has changed"):
        train[0]
    # The next run prepares the corpus as it is now.
    assert len(prepare(corpus, output).datasets()["train"][0]["noisy_sig"])


def test_manifests_without_stamps_are_read(corpus, output):
    """As those that were written before there were any."""
    prepared = prepare(corpus, output)
    path = Path(prepared.manifests["train"])
    entries = json.loads(path.read_text())
    for entry in entries.values():
        assert entry.pop("noisy_stamp") and entry.pop("clean_stamp")
    path.write_text(json.dumps(entries))
    assert len(prepared.datasets()["train"][0]["noisy_sig"])
    assert prepare(corpus, output) == prepared  # nothing speaks against it


# 48 kHz


@pytest.fixture
def release(tmp_path):
    return write_corpus(tmp_path / "corpus", RELEASE_48K)


def inodes(folder):
    return {
        path.name: path.stat().st_ino
        for path in sorted(folder.rglob("noisy_*/*.wav"))
    }


def test_48_khz_is_resampled_once(release, output, no_reading):
    prepared = prepare(release, output)
    copy = Path(prepared.data_root)
    assert copy == output / "corpus_16k"
    info = soundfile.info(
        copy / "clean_trainset_28spk_wav_16k" / "p225_001.wav"
    )
    assert (info.samplerate, info.frames, info.subtype) == (
        16000,
        4800,
        "PCM_16",
    )
    assert len(list(copy.rglob(".*"))) == 0  # nothing half written
    before = snapshot(copy)
    no_reading()
    assert prepare(release, output) == prepared
    assert snapshot(copy) == before


def test_the_copy_is_a_corpus(release, output, tmp_path):
    first = prepare(release, output)
    second = prepare(first.data_root, tmp_path / "second")
    assert second.layout == RELEASE_16K.name
    assert manifests(second) == manifests(first)


def test_interrupted_resampling_goes_on_where_it_stopped(release, output):
    copy = Path(prepare(release, output).data_root)
    before = inodes(copy)
    (copy / "noisy_trainset_28spk_wav_16k" / "p225_001.wav").unlink()
    prepare(release, output)
    after = inodes(copy)
    assert after.keys() == before.keys()
    changed = {name for name in before if after[name] != before[name]}
    assert changed <= {"p225_001.wav"}  # a file system may re-use the inode


def test_a_copy_that_was_changed_is_made_again(release, output):
    copy = Path(prepare(release, output).data_root)
    path = copy / "noisy_trainset_28spk_wav_16k" / "p225_001.wav"
    before = path.read_bytes()
    path.write_bytes(before[:44] + bytes(len(before) - 44))
    os.utime(path, (0, 0))
    prepare(release, output)
    assert path.read_bytes() == before


def test_changed_source_is_resampled_again(release, output):
    prepared = prepare(release, output)
    before = make_dataset(prepared.manifests["test"], prepared.data_root)[0]
    source = release / "noisy_testset_wav" / "p232_001.wav"
    write_wave(source, burst(sample_rate=48000, seed=9), 48000)
    os.utime(source, (2_000_000_000, 2_000_000_000))
    prepare(release, output)
    after = make_dataset(prepared.manifests["test"], prepared.data_root)[0]
    assert not after["noisy_sig"].equal(before["noisy_sig"])
    assert after["clean_sig"].equal(before["clean_sig"])


def test_bad_48_khz_files_are_named_by_their_source(release, output):
    source = release / "noisy_testset_wav" / "p232_001.wav"
    write_wave(source, burst(), 16000)
    with pytest.raises(ValueError, match="16000 Hz, must be 48000 Hz") as error:
        prepare(release, output)
    assert str(source) in str(error.value)
    prepared = prepare(release, output, skip_bad_files=True)
    assert prepared.utterances["test"] == 1


def test_a_tail_at_48_khz_is_cut_before_resampling(release, output):
    source = release / "noisy_testset_wav" / "p232_001.wav"
    write_wave(source, burst(0.316, 48000), 48000)
    prepared = prepare(release, output)
    lengths = {
        soundfile.info(path).frames
        for path in Path(prepared.data_root).rglob("p232_001.wav")
    }
    assert lengths == {4800}


# Names and folders as users have them


def write_pair(corpus, layout, split, clean, noisy=None, seed=0, **kwargs):
    for kind, name in (("clean", clean), ("noisy", noisy or clean)):
        path = corpus / layout.folder(split, kind) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = burst(seed=seed) * (1 if kind == "clean" else 0.5)
        soundfile.write(path, samples, 16000, **kwargs)


def entries(prepared, split):
    return json.loads(Path(prepared.manifests[split]).read_text())


def test_flac_and_sub_folders(tmp_path, output):
    """Sub-folders are speakers; links to them are followed."""
    corpus = tmp_path / "corpus"
    for speaker in ("anna", "bert"):
        for n in (1, 2):
            write_pair(corpus, AUTHORS, "train", f"{speaker}/{n}.flac", seed=n)
    for kind in ("clean", "noisy"):
        elsewhere = tmp_path / "disk2" / kind
        elsewhere.mkdir(parents=True)
        shutil.move(
            corpus / "train" / kind / "bert", elsewhere / "somebody else"
        )
        link = corpus / "train" / kind / "bert"
        link.symlink_to(elsewhere / "somebody else")
    write_pair(corpus, AUTHORS, "test", "carl/1.flac")
    prepared = prepare(corpus, output, valid_speakers=["bert"])
    assert prepared.utterances == {"train": 2, "valid": 2, "test": 1}
    assert list(entries(prepared, "valid")) == ["bert_1", "bert_2"]
    item = make_dataset(prepared.manifests["valid"], corpus)[1]
    expected = burst(seed=2).astype(np.float32)
    np.testing.assert_allclose(item["clean_sig"], expected, atol=1e-4)
    np.testing.assert_allclose(item["noisy_sig"], expected / 2, atol=1e-4)


def write_dns(corpus, layout, split, numbers, reader=""):
    for n in numbers:
        noisy = f"book_{n}_chp_9_{reader}0_xyz_snr{n}_tl-25_fileid_{n}.wav"
        name = f"clean_fileid_{n}.wav"
        write_pair(corpus, layout, split, name, noisy, seed=n)


@pytest.mark.parametrize("layout", [AUTHORS, UNDIVIDED])
def test_pairs_of_the_dns_scripts(tmp_path, output, layout, caplog):
    """Nobody is known, so that files are divided."""
    corpus = tmp_path / "corpus"
    write_dns(corpus, layout, "train", range(7, 20))
    if layout.divided:
        write_dns(corpus, layout, "test", [1])
    prepared = prepare(corpus, output)
    counts = {"train": 11, "valid": 2, "test": 1}
    if not layout.divided:
        counts = {"train": 9, "valid": 2, "test": 2}
    assert prepared.utterances == counts
    assert prepared.valid_speakers == ["unknown"]
    assert "so that files are divided" in caplog.text
    found = [entry for split in counts for entry in entries(prepared, split)]
    assert len(set(found)) == 14 - (not layout.divided)
    for split in counts:
        for entry in entries(prepared, split).values():
            number = entry["noisy_wav"].split("_")[-1]
            assert entry["clean_wav"].endswith(f"clean_fileid_{number}")
    if layout.divided:
        assert "do not say who speaks" in caplog.text


def test_readers_of_the_dns_scripts_are_speakers(tmp_path, output):
    corpus = tmp_path / "corpus"
    for reader in range(4):
        numbers = range(3 * reader, 3 * reader + 3)
        write_dns(corpus, UNDIVIDED, "train", numbers, f"reader_{reader}_")
    prepared = prepare(corpus, output)
    speakers = {
        split: {entry["speaker"] for entry in entries(prepared, split).values()}
        for split in prepared.manifests
    }
    assert speakers == {
        "test": {"reader_0"},
        "valid": {"reader_1"},
        "train": {"reader_2", "reader_3"},
    }


def test_pairs_of_ms_snsd_share_their_clean_files(tmp_path, output):
    corpus = tmp_path / "corpus"
    for n in range(1, 6):
        for snr in ("0.0", "-5.0"):
            noisy = f"noisy{n}_SNRdb_{snr}_clnsp{n}.wav"
            write_pair(corpus, UNDIVIDED, "train", f"clnsp{n}.wav", noisy)
    assert sum(prepare(corpus, output).utterances.values()) == 10


def test_one_speaker_validates_with_the_last_files(tmp_path, output, caplog):
    corpus = write_corpus(
        tmp_path / "corpus", AUTHORS, train=["me"], test=["you"], each=13
    )
    prepared = prepare(corpus, output)
    assert prepared.utterances == {"train": 11, "valid": 2, "test": 13}
    assert list(entries(prepared, "valid")) == ["me_012", "me_013"]
    assert "One speaker or none is known (me)" in caplog.text
    with pytest.raises(ValueError, match="leave valid_speakers out"):
        prepare(corpus, output, valid_speakers=["me"])


def test_twins_are_a_violation(corpus, output):
    folder = corpus / "noisy_testset_wav_16k"
    shutil.copy(folder / "p232_001.wav", folder / "p232_001.WAV")
    shutil.copy(folder / "p232_002.wav", folder / "p232_002.flac")
    with pytest.raises(ValueError, match="2 files break a rule") as error:
        prepare(corpus, output)
    assert "has the same name as p232_001.WAV, except for its suffix" in str(
        error.value
    )
    prepared = prepare(corpus, output, skip_bad_files=True)
    assert prepared.utterances["test"] == 2


def test_accents_stored_in_two_ways_belong_together(corpus, output):
    for kind, name in (("clean", "caf\u00e9_1"), ("noisy", "cafe\u0301_1")):
        folder = corpus / f"{kind}_testset_wav_16k"
        (folder / "p232_001.wav").rename(folder / f"{name}.wav")
    prepared = prepare(corpus, output)
    assert entries(prepared, "test")["caf\u00e9_1"]["speaker"] == "caf\u00e9"
    (item, _) = make_dataset(prepared.manifests["test"], corpus)
    assert item["noisy_sig"].shape == (4800,)
    other = corpus / "clean_testset_wav_16k" / "cafe\u0301_1.wav"
    write_wave(other, burst())
    with pytest.raises(ValueError, match="how its accents are stored"):
        prepare(corpus, output)


def test_names_that_are_not_utf8_are_violations(corpus, output):
    folder = corpus / "noisy_testset_wav_16k"
    latin = os.fsdecode(b"p232_caf\xe9.wav")
    (folder / "p232_001.wav").rename(folder / latin)
    with pytest.raises(ValueError) as error:
        prepare(corpus, output)
    assert "p232_caf\\xe9.wav: has a name, or is in a folder" in str(
        error.value
    )
    assert "p232_001.wav: has no partner" in str(error.value)
    stored = (output / "bad_files.txt").read_bytes()
    assert os.fsencode(folder / latin) + b"\t" in stored
    prepared = prepare(corpus, output, skip_bad_files=True)
    assert prepared.utterances["test"] == 1


def test_a_corpus_may_lie_below_a_folder_that_is_not_utf8(corpus, output):
    latin = corpus.rename(corpus.with_name(os.fsdecode(b"donn\xe9es")))
    prepared = prepare(latin, output)
    item = make_dataset(prepared.manifests["test"], prepared.data_root)[0]
    assert item["noisy_sig"].shape == (4800,)
    (latin / "clean_testset_wav_16k" / "p232_001.wav").write_bytes(b"")
    with pytest.raises(ValueError, match=r"donn\\xe9es.*cannot be read as"):
        prepare(latin, output)


def test_links_to_nothing_are_violations(corpus, output):
    path = corpus / "clean_testset_wav_16k" / "p232_001.wav"
    path.unlink()
    path.symlink_to(corpus / "unmounted")
    with pytest.raises(ValueError, match="p232_001.wav: does not exist"):
        prepare(corpus, output)


def test_joined_folders_never_make_too_long_names(tmp_path, output):
    deep = "/".join(["a" * 100, "b" * 100, "c" * 100])
    long = "x" * 200 + "\u00e9" * 20  # 240 bytes
    corpus = write_corpus(tmp_path / "corpus", RELEASE_48K)
    for name in (f"{deep}/1.wav", f"{deep}/2.wav", f"{long}.wav"):
        for kind in ("clean", "noisy"):
            path = corpus / RELEASE_48K.folder("test", kind) / name
            write_wave(path, burst(sample_rate=48000), 48000)
    prepared = prepare(corpus, output)
    found = entries(prepared, "test")
    assert len(found) == 5 and long in found
    assert max(len(name.encode()) for name in found) == 240
    for item in make_dataset(prepared.manifests["test"], prepared.data_root):
        assert item["noisy_sig"].shape == (4800,)
    assert manifests(prepare(corpus, output)) == manifests(prepared)


# Damaged audio


def test_damaged_audio_of_every_format_is_a_violation(corpus, output):
    """Whatever the header says, training hears of it before it starts."""
    folder = corpus / "clean_testset_wav_16k"
    expected = {}

    def spoil(n, rule, suffix=".wav"):
        clean = folder / f"p232_1{n:02d}{suffix}"
        noisy = corpus / "noisy_testset_wav_16k" / clean.name
        write_wave(noisy.with_suffix(".wav"), burst(3.0))
        expected[clean.name] = rule
        return clean

    write_wave(spoil(0, "integers seem"), 32768 * burst(3.0), subtype="FLOAT")
    for n, suffix in enumerate((".flac", ".ogg", ".mp3", ".wav"), start=1):
        path = spoil(n, "truncated|beyond|shorter|cannot be read", suffix)
        soundfile.write(path, burst(3.0), 16000)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    path = spoil(5, "was never closed: its header announces 0")
    write_wave(path, burst(3.0))
    whole = path.read_bytes()
    path.write_bytes(whole[:40] + bytes(4) + whole[44:])
    for n, rate in enumerate((1, 999_983, 2**31 - 1), start=6):
        path = spoil(n, f"sample rate of {rate} Hz, must be 1000 to 768000")
        write_wave(path, burst(3.0))
        whole = path.read_bytes()
        path.write_bytes(whole[:24] + rate.to_bytes(4, "little") + whole[28:])
    with pytest.raises(ValueError) as error:
        prepare(corpus, output)
    lines = str(error.value).splitlines()
    for name, rule in expected.items():
        (line, *_) = [line for line in lines if f"/{name}: " in line]
        assert re.search(rule, line), line
    prepared = prepare(corpus, output, skip_bad_files=True)
    assert prepared.utterances["test"] == 2


def test_flac_of_unknown_length_trains(corpus, output):
    """Pipes write it; its content is what counts."""
    for kind, gain in (("clean", 1), ("noisy", 0.5)):
        folder = corpus / f"{kind}_trainset_28spk_wav_16k"
        (folder / "p225_001.wav").unlink()
        write_streamed_flac(folder / "p225_001.flac", gain * burst(seed=5))
    prepared = prepare(corpus, output)
    item = make_dataset(prepared.manifests["train"], prepared.data_root)[0]
    assert item["id"] == "p225_001"
    expected = burst(seed=5).astype(np.float32)
    np.testing.assert_allclose(item["clean_sig"], expected, atol=1e-4)


def test_record_of_an_older_okd_is_checked_once_more(
    corpus, output, no_reading
):
    first = prepare(corpus, output)
    before = manifests(first)
    path = output / "corpus.json"
    record = json.loads(path.read_text()) | {"fingerprint": "of old"}
    path.write_text(
        json.dumps({k: v for k, v in record.items() if k != "hours"})
    )
    assert prepare(corpus, output) == first
    assert manifests(first) == before
    no_reading()
    assert prepare(corpus, output) == first


def test_what_was_understood_is_logged(corpus, output, caplog):
    with caplog.at_level("INFO"):
        prepare(corpus, output)
    assert (
        "28 speakers, 16000 Hz): utterances {'train': 4, 'valid': 2, 'test': 2}, "
        "hours {'train': 0.0, 'valid': 0.0, 'test': 0.0}, speakers {'train': 2, "
        "'valid': 1, 'test': 1}, validation speakers p226, bad files left out 0"
    ) in caplog.text


def test_speech_without_noise_says_so(tmp_path, output):
    write_wave(tmp_path / "speech" / "a_1.wav", burst())
    with pytest.raises(ValueError, match=r"\(--noise_folder\)"):
        prepare(tmp_path / "speech", output)
