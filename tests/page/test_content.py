"""Results folders to the folder of a page."""

import base64
import io
import json
import re

import numpy as np
import pytest
import soundfile
from pages import SYSTEMS, data_of, write_results_folder

from okd_brain.messages import UserError
from okd_brain.page import main, make_page, read_results
from okd_brain.page.content import STATIC
from okd_brain.results import read_scores


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_results_folder(tmp_path_factory.mktemp("made") / "run")


def sound(page, utterance):
    """Return what the script of an utterance hands over."""
    text = (page / utterance["audio"]).read_text()
    name, told = re.fullmatch(r"OKD\.hear\((\".*?\"), (.*)\);\n", text).groups()
    assert json.loads(name) == utterance["id"]
    return json.loads(told)


def test_the_page_has_all_scores_and_some_sound(folder, tmp_path):
    page = tmp_path / "new" / "page"
    assert make_page([read_results(folder)], page) == 3
    data = data_of(page)
    assert [s["name"] for s in data["systems"]] == list(SYSTEMS)
    assert (data["unprocessed"], data["corpus"]) == ("noisy", "mine")
    scores = read_scores(folder / "scores_test.csv")
    for system, rows in scores.items():
        values = [rows[u["id"]]["pesq"] for u in data["utterances"]]
        assert data["scores"][system]["pesq"] == pytest.approx(values, abs=1e-5)
        means = {s["name"]: s["means"]["pesq"] for s in data["systems"]}
        mean, low, high, scored = means[system]
        assert mean == pytest.approx(np.mean(values), abs=1e-4)
        assert low < mean < high and scored == 12
    assert data["utterances"][1]["speaker"] == "p233"
    assert data["utterances"][1]["snr_db"] == 7.5
    heard = [u for u in data["utterances"] if "audio" in u]
    assert {u["kind"] for u in heard} == {"best", "worst", "random"}


def test_the_sound_is_that_of_the_samples(folder, tmp_path):
    make_page([read_results(folder)], tmp_path / "page")
    samples = json.loads((folder / "samples/samples.json").read_text())
    data = data_of(tmp_path / "page")
    heard = [u for u in data["utterances"] if "audio" in u]
    for utterance in heard:
        told = sound(tmp_path / "page", utterance)
        files = samples["utterances"][utterance["id"]]["files"]
        assert list(told["sounds"]) == ["clean", *SYSTEMS]
        assert told["sample_rate"] == 16000
        for system, text in told["sounds"].items():
            wave, rate = soundfile.read(io.BytesIO(base64.b64decode(text)))
            given, _ = soundfile.read(folder / "samples" / files[system])
            assert rate == 16000
            assert np.abs(wave - given).max() < 2**-15


def test_what_exceeds_full_scale_is_turned_down_together(folder, tmp_path):
    loud = write_results_folder(tmp_path / "loud", heard=1)
    [path] = (loud / "samples").glob("*/noisy.wav")
    wave, rate = soundfile.read(path)
    soundfile.write(path, wave * 4 / np.abs(wave).max(), rate, subtype="FLOAT")
    make_page([read_results(loud)], tmp_path / "page")
    data = data_of(tmp_path / "page")
    [heard] = [u for u in data["utterances"] if "audio" in u]
    told = sound(tmp_path / "page", heard)
    assert told["turned_down_db"] == pytest.approx(12.1, abs=0.1)
    clean, _ = soundfile.read(
        io.BytesIO(base64.b64decode(told["sounds"]["clean"]))
    )
    given, _ = soundfile.read(path.with_name("clean.wav"))
    assert np.abs(clean - given * 0.99 / 4).max() < 2**-14


def test_several_results_of_one_test_set_are_one_page(folder, tmp_path):
    other = write_results_folder(tmp_path / "other")
    page = tmp_path / "page"
    assert main([str(folder), f"{other}=second", "-o", str(page)]) == 0
    names = [s["name"] for s in data_of(page)["systems"]]
    generators = list(SYSTEMS)[1:]
    assert names == [
        "noisy",
        *(f"run/{name}" for name in generators),
        *(f"second/{name}" for name in generators),
    ]
    heard = next(u for u in data_of(page)["utterances"] if "audio" in u)
    assert list(sound(page, heard)["sounds"]) == ["clean", *names]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"seed": 1}, "are not of one test set: they differ in p232_000"),
        ({"count": 11}, "are not of one test set: they differ in p234_011"),
    ],
)
def test_other_test_sets_are_refused(folder, tmp_path, capsys, options, reason):
    other = write_results_folder(tmp_path / "other", **options)
    assert main([str(folder), str(other), "-o", str(tmp_path / "page")]) == 2
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "page").exists()


def test_two_results_need_two_names(folder, tmp_path):
    with pytest.raises(UserError, match="Two results have one name"):
        make_page([read_results(folder), read_results(folder)], tmp_path / "p")


def test_a_folder_that_is_no_result_is_refused(tmp_path, capsys):
    assert main([str(tmp_path), "-o", str(tmp_path / "page")]) == 2
    reason = "has neither results.json nor train_log.csv: name the output"
    assert reason in capsys.readouterr().err


def test_a_page_is_a_folder(folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(folder), "-o", str(tmp_path / "page.html")])
    assert ended.value.code == 2
    assert "page.html names a file" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_a_folder_of_something_else_is_not_replaced(folder, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match="is there and is not a page of this"):
        make_page([read_results(folder)], tmp_path)
    page = tmp_path / "page"
    for _ in range(2):  # an earlier page is
        make_page([read_results(folder)], page)
    assert (page / "index.html").is_file()
    (page / "thesis.tex").touch()
    with pytest.raises(UserError, match="does not write thesis.tex"):
        make_page([read_results(folder)], page)


def test_without_samples_the_command_says_how_to_make_them(tmp_path, capsys):
    folder = write_results_folder(tmp_path / "run", heard=0)
    assert main([str(folder), "-o", str(tmp_path / "page")]) == 0
    said = capsys.readouterr().out
    assert "same evaluate.py command makes them, with --samples 12" in said
    assert "0 utterances to hear" in said


def test_the_page_asks_for_nothing_outside_its_folder():
    for path in STATIC.glob("*.*"):
        text = path.read_text()
        assert not re.search(r"(https?:)?//[\w-]+\.\w", text), path
        for link in re.findall(r'(?:src|href)="([^"#]+)"', text):
            if link not in ("data:,", "data.js", "runs.js"):
                assert (STATIC / link).is_file(), link


def test_libraries_are_small_and_have_their_licences():
    vendor = STATIC / "vendor"
    assert sum(p.stat().st_size for p in vendor.iterdir()) < 2_000_000
    for name in ("wavesurfer", "uPlot"):
        assert "Copyright" in (vendor / f"{name}.LICENSE").read_text()
