"""The bundled corpus: who speaks, what is mixed, and that it is repeatable."""

import collections
import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from okd_brain.corpora import (
    LAYOUTS,
    build_mini_corpus,
    build_mini_noises,
    mini,
    prepare_corpus,
)
from okd_brain.corpora.mini import PROMPTS_FOLDER, SNRS_DB, SPEAKERS
from okd_brain.noises import NOISES


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return build_mini_corpus(tmp_path_factory.mktemp("run") / "mini_corpus")


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    }


def log(corpus):
    """Return {name: (noise, SNR in dB)}."""
    lines = [
        line.split()
        for name in ("log_trainset_28spk.txt", "log_testset.txt")
        for line in (Path(corpus.data_folder) / name).read_text().splitlines()
    ]
    return {name: (kind, int(snr_db)) for name, kind, snr_db in lines}


def read_pairs(corpus):
    """Yield name, clean and noisy of every utterance."""
    folder = Path(corpus.data_folder)
    for split in ("train", "test"):
        clean_folder = folder / LAYOUTS[0].folder(split, "clean")
        noisy_folder = folder / LAYOUTS[0].folder(split, "noisy")
        for path in sorted(clean_folder.iterdir()):
            yield (
                path.stem,
                soundfile.read(path)[0],
                soundfile.read(noisy_folder / path.name)[0],
            )


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Cut the corpus to five prompts per speaker, for tests that mix again."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    for speaker in itertools.chain(*SPEAKERS.values()):
        for path in sorted(PROMPTS_FOLDER.glob(f"{speaker}_*"))[:5]:
            (folder / path.name).symlink_to(path)
    for name in mini.LICENCE_FILES:
        (folder / name).symlink_to(PROMPTS_FOLDER / name)
    monkeypatch.setattr(mini, "PROMPTS_FOLDER", folder)
    return folder


@pytest.mark.slow
def test_it_is_a_corpus_that_prepares_without_complaint(corpus, tmp_path):
    prepared = prepare_corpus(
        corpus.data_folder,
        tmp_path,
        valid_speakers=corpus.valid_speakers,
        progressbar=False,
    )
    assert prepared.layout == "VoiceBank-DEMAND, 28 speakers, 16000 Hz"
    assert prepared.utterances == {"train": 72, "valid": 20, "test": 20}
    for split, speakers in SPEAKERS.items():
        manifest = Path(prepared.manifests[split]).read_text()
        for other in itertools.chain(*SPEAKERS.values()):
            assert (f'"speaker": "{other}"' in manifest) == (other in speakers)


def test_speakers_of_the_splits_are_different_people():
    speakers = list(itertools.chain(*SPEAKERS.values()))
    assert len(speakers) == len(set(speakers)) == 4


@pytest.mark.slow
def test_ratio_is_that_of_the_log_and_nothing_clips(corpus):
    mixtures = log(corpus)
    names = []
    for name, clean, noisy in read_pairs(corpus):
        names.append(name)
        ratio = np.sum(clean**2) / np.sum((noisy - clean) ** 2)
        assert 10 * np.log10(ratio) == pytest.approx(
            mixtures[name][1], abs=0.05
        )
        assert max(np.abs(clean).max(), np.abs(noisy).max()) <= 0.9901
        level = 10 * np.log10(np.mean(clean**2))
        assert level == pytest.approx(-26, abs=0.05) or (
            level < -26 and np.abs(noisy).max() > 0.989
        )
    assert sorted(names) == sorted(mixtures)


@pytest.mark.slow
def test_every_noise_at_every_ratio(corpus):
    mixtures = log(corpus)
    combinations = set(itertools.product(NOISES, SNRS_DB))
    for speakers in SPEAKERS.values():
        met = collections.Counter(
            mixture
            for name, mixture in mixtures.items()
            if name.split("_")[0] in speakers
        )
        assert set(met) == combinations
        assert max(met.values()) - min(met.values()) <= 1


def test_noise_is_made_of_other_prompts_of_the_same_split(
    small, tmp_path, monkeypatch
):
    prompts = {
        soundfile.read(path)[0].tobytes(): path.name.split("_")[0]
        for path in small.glob("*.flac")
    }
    calls = []

    def spy(samples, rng, speech):
        calls.append([prompts[wave.tobytes()] for wave in speech])
        return rng.normal(size=samples)

    for kind in NOISES:
        monkeypatch.setitem(NOISES, kind, spy)
    build_mini_corpus(tmp_path / "mini_corpus")
    # Two speakers of five prompts each train; the prompt itself is left out.
    expected = [(set(SPEAKERS["train"]), 9)] * 20
    expected += [(set(SPEAKERS["valid"]), 4)] * 10
    expected += [(set(SPEAKERS["test"]), 4)] * 10
    assert [(set(call), len(call)) for call in calls] == expected


@pytest.mark.slow
def test_same_bytes_each_time(small, tmp_path):
    first = build_mini_corpus(tmp_path / "first")
    np.random.default_rng().random()
    second = build_mini_corpus(tmp_path / "second")
    assert contents(first.data_folder) == contents(second.data_folder)


@pytest.mark.slow
def test_both_mixtures_of_a_prompt_differ_in_noise_and_ratio(corpus):
    mixtures = log(corpus)
    for speaker in itertools.chain(*SPEAKERS.values()):
        own = [mixtures[n] for n in mixtures if n.startswith(f"{speaker}_")]
        for (kind, snr_db), (kind_2, snr_db_2) in zip(
            own[::2], own[1::2], strict=True
        ):
            assert kind != kind_2 and snr_db != snr_db_2


def test_complete_corpus_is_used_again(small, tmp_path):
    folder = tmp_path / "mini_corpus"
    first = build_mini_corpus(folder)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert build_mini_corpus(str(folder)) == first
    assert times == {p: p.stat().st_mtime_ns for p in folder.rglob("*")}


@pytest.mark.slow
def test_damaged_or_outdated_corpus_is_mixed_again(
    small, tmp_path, monkeypatch
):
    folder = tmp_path / "mini_corpus"
    before = contents(build_mini_corpus(folder).data_folder)
    (folder / "clean_testset_wav_16k" / "ivrvoice_001.wav").unlink()
    build_mini_corpus(folder)
    assert contents(folder) == before
    monkeypatch.setattr(mini, "SEED", 1)
    build_mini_corpus(folder)
    after = contents(folder)
    assert after.keys() == before.keys()
    assert after != before


def test_interrupted_mixing_leaves_nothing(small, tmp_path, monkeypatch):
    def interrupt(path, content):
        raise KeyboardInterrupt

    monkeypatch.setattr(mini, "write_json", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_mini_corpus(tmp_path / "run" / "mini_corpus")
    assert list((tmp_path / "run").iterdir()) == []


def test_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="is not a mini corpus, so it is left"):
        build_mini_corpus(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


@pytest.mark.parametrize("build", [build_mini_corpus, build_mini_noises])
def test_absent_prompts(tmp_path, monkeypatch, build):
    monkeypatch.setattr(mini, "PROMPTS_FOLDER", tmp_path)
    with pytest.raises(
        ValueError, match="there is no .*allison_.* install okd again"
    ):
        build(tmp_path / "mini_corpus")


@pytest.mark.slow
def test_licences_travel_with_the_speech(corpus):
    text = (Path(corpus.data_folder) / "README.md").read_text()
    assert "CC-BY-SA-3.0" in text
    for speaker in itertools.chain(*SPEAKERS.values()):
        assert f"`{speaker}_" in text
    assert (Path(corpus.data_folder) / "COPYRIGHT.debian.txt").exists()
