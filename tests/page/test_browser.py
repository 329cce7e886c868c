"""The page in a browser: it plays, switches, sorts, counts, follows runs."""

import functools
import http.server
import resource
import shutil
import threading
from pathlib import Path

import pytest
from pages import SYSTEMS, data_of, write_results_folder, write_run_folder

from okd_brain.page import make_page, read_results
from okd_brain.page.content import write_curves
from okd_brain.training import TRAIN_LOG, EpochTable

AXE = Path(__file__).with_name("axe.min.js")
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None
)
PATIENCE = 60_000  # ms, on a machine that does other things, too

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium here: apt-get install chromium"
    ),
]


@pytest.fixture(scope="module")
def browser():
    reason = "no playwright here: pip install 'okd[test]'"
    sync_api = pytest.importorskip("playwright.sync_api", reason=reason)
    bound = resource.getrlimit(resource.RLIMIT_AS)
    # Node and Chromium reserve far more addresses than they use.
    resource.setrlimit(resource.RLIMIT_AS, (bound[1], bound[1]))
    with sync_api.sync_playwright() as play:
        resource.setrlimit(resource.RLIMIT_AS, bound)  # they have theirs
        options = [
            "--no-sandbox",
            "--autoplay-policy=no-user-gesture-required",
        ]
        browser = play.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    source = read_results(write_results_folder(folder / "run"))
    make_page([source], folder / "page")
    return folder / "page"


@pytest.fixture
def visit(browser, made):
    """Open a page; at the end, nothing may have gone wrong in it."""
    contexts, errors, asked = [], [], []

    def visit(url=None, until="#switch button", **options):
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "console",
            lambda m: errors.append(m.text) if m.type == "error" else None,
        )
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url or (made / "index.html").as_uri())
        page.wait_for_selector(until)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert errors == []
    here = ("file://", "data:", "blob:", "http://127.0.0.1")
    assert [url for url in asked if not url.startswith(here)] == []


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A page of two seeds of an experiment and of a control, all at work."""
    folder = tmp_path_factory.mktemp("running")
    places = [("okd_50/1", 1), ("okd_50/2", 2), ("control/3", 3)]
    folders = [write_run_folder(folder / at, seed) for at, seed in places]
    make_page([read_results(at) for at in folders], folder / "page")
    return folder / "page"


def series(page, group):
    """Return label, colour and values of the lines of a chart."""
    return page.evaluate(
        "group => { const u = OKD.training.plots[group]; return u.series.slice(1)"
        ".map((s, n) => [s.label, s.stroke(), u.data[n + 1].filter(v => v != null)"
        "]); }",
        group,
    )


def wait(page, condition):
    page.wait_for_function(condition, timeout=PATIENCE)


def test_it_plays_and_switches_without_a_gap(visit):
    page = visit()
    page.check("#loop")  # it would end on a slow machine
    page.click("#play")
    wait(page, "OKD.player.time > 0.1")
    assert page.inner_text("#play") == "Pause"
    began = page.evaluate("OKD.player.began")
    page.click("#switch button[data-system=pesq]")
    wait(
        page,
        "Object.entries(OKD.player.nodes).filter(([, n]) => n.gain.gain.value"
        " > 0.5).map(([name]) => name).join() === 'pesq'",
    )
    # The same sources go on: nothing was started anew.
    assert page.evaluate("[OKD.player.playing, OKD.player.began]") == [
        True,
        began,
    ]
    page.uncheck("#loop")
    wait(page, "!OKD.player.playing")  # at the end of it
    assert page.inner_text("#play") == "Play"


def test_the_cursor_goes_where_one_clicks(visit):
    page = visit()
    box = page.locator("#difference").bounding_box()
    page.locator("#difference").click(
        position={"x": box["width"] / 2, "y": box["height"] / 2}
    )
    half = page.evaluate("OKD.player.time / OKD.player.duration")
    assert half == pytest.approx(0.5, abs=0.01)
    left = page.evaluate("document.querySelector('.cursor').style.left")
    assert float(left.rstrip("%")) == pytest.approx(50, abs=1)
    pictures = page.evaluate(
        "[...document.querySelectorAll('#wave div')].flatMap(d => d.shadowRoot"
        " ? [...d.shadowRoot.querySelectorAll('canvas')] : []).length"
    )
    assert pictures >= 2  # waveform and spectrogram


def test_the_spectrogram_of_the_difference_is_one(visit):
    """Black where nothing differs, red where there is more than in clean."""
    page = visit()
    pixels = (
        "(() => { const c = document.getElementById('difference');"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height)"
        ".data; let red = 0, blue = 0; for (let i = 0; i < d.length; i += 4)"
        " { red += d[i] > 60; blue += d[i + 2] > 60; }"
        " return [red / (d.length / 4), blue / (d.length / 4)]; })()"
    )
    page.click("#switch button[data-system=clean]")
    assert page.evaluate(pixels) == [0, 0]
    page.click("#switch button[data-system=noisy]")
    red, blue = page.evaluate(pixels)
    assert red > 0.5 > 10 * blue


def test_the_table_sorts(visit, made):
    page = visit()
    means = {s["name"]: s["means"]["pesq"][0] for s in data_of(made)["systems"]}
    rows = "#systems-table tbody th"
    assert page.locator(rows).all_inner_texts() == list(SYSTEMS)
    page.click("#systems-table [data-metric=pesq]")
    ranked = sorted(means, key=means.get, reverse=True)
    assert page.locator(rows).all_inner_texts() == ranked
    page.click("#systems-table [data-metric=pesq]")
    assert page.locator(rows).all_inner_texts() == ranked[::-1]
    sort = page.locator("#systems-table th[aria-sort=ascending]")
    assert sort.inner_text().startswith("pesq")


def test_the_list_filters_and_sorts(visit, made):
    page, data = visit(), data_of(made)
    page.uncheck("#f-sound")
    page.select_option("#f-noise", "bus")
    page.select_option("#f-snr_db", "2.5")
    page.select_option("#f-sort", "loss")
    wanted = {
        u["id"]: n
        for n, u in enumerate(data["utterances"])
        if (u["noise"], u["snr_db"]) == ("bus", 2.5)
    }
    gain = {
        name: data["scores"]["pesq"]["pesq"][n]
        - data["scores"]["noisy"]["pesq"][n]
        for name, n in wanted.items()
    }
    names = page.locator("#list tbody td:first-child").all_inner_texts()
    assert names == sorted(gain, key=gain.get) and len(names) == 2
    assert page.inner_text("#count") == "2 of 12 utterances"


def test_a_point_of_the_scatter_is_an_utterance(visit):
    page = visit()
    place = page.evaluate(
        "(() => { OKD.scatter.root.scrollIntoView(); const p = OKD.points.find("
        "p => OKD.data.utterances[p.i].audio && p.i !== OKD.chosen);"
        " const box = OKD.scatter.over.getBoundingClientRect();"
        " return [box.left + OKD.scatter.valToPos(p.at[0], 'x'),"
        " box.top + OKD.scatter.valToPos(p.at[1], 'y')]; })()"
    )
    before = page.evaluate("OKD.chosen")
    page.mouse.move(*place)
    assert page.is_visible(".tip")
    page.mouse.click(*place)
    assert page.evaluate("OKD.chosen") != before


def test_the_blind_test_counts(visit):
    page = visit()
    page.click("#blind-start")
    for trial, right in enumerate((1, 1, 1, 0, 1), 1):
        wait(page, "OKD.trial.ready && OKD.player.heard === OKD.trial.x")
        assert page.is_hidden("#sound")  # else one would see which is which
        assert page.get_attribute("#hear-x", "aria-pressed") == "true"
        x = page.evaluate("OKD.trial.x")
        page.keyboard.press("a")
        assert page.evaluate("OKD.player.heard") == "a"
        other = "b" if x == "a" else "a"
        page.click(f"#is-{x if right else other}")
        wait(page, f"OKD.trial.done === {trial}")
    # 4 or 5 of 5: (5 + 1) / 32
    assert "4 of 5 right, p = 0.188" in page.inner_text("#tally")
    page.click("#blind-stop")
    assert page.is_visible("#switch") and page.is_hidden("#trial")
    page.select_option("#blind-b", page.input_value("#blind-a"))
    page.click("#blind-start")
    assert "choose two" in page.inner_text("#tally")


def test_the_keyboard_does_it_all(visit):
    page = visit()
    page.keyboard.press("3")
    assert page.evaluate("OKD.player.heard") == "pesq"
    page.check("#loop")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press(" ")
    wait(page, "OKD.player.playing")
    page.keyboard.press(" ")
    assert not page.evaluate("OKD.player.playing")
    first = page.evaluate("OKD.chosen")
    page.keyboard.press("j")
    assert page.evaluate("OKD.chosen") != first
    page.keyboard.press("k")
    assert page.evaluate("OKD.chosen") == first
    page.keyboard.press("?")
    assert page.is_visible("#help")


def test_runs_are_overlaid_and_seeds_share_a_colour(visit, running):
    page = visit((running / "index.html").as_uri(), "#curves canvas")
    for hidden in ("systems", "charts", "utterances", "listen", "help-button"):
        assert page.is_hidden(f"#{hidden}"), hidden
    drawn = series(page, "Validation")
    assert [label for label, _, _ in drawn] == [
        f"{run}, {line}"
        for run in ("okd_50/1", "okd_50/2", "control/3")
        for line in ("noisy", "pesq", "csig")
    ]
    colours = {label: colour for label, colour, _ in drawn}
    assert colours["okd_50/1, pesq"] == colours["okd_50/2, csig"]
    assert colours["okd_50/1, pesq"] != colours["control/3, pesq"]
    found = {label: values for label, _, values in drawn}
    assert found["okd_50/2, pesq"] == pytest.approx([1.9, 2.3, -3.3])
    page.select_option("[data-group=Validation] select", "csig")
    assert series(page, "Validation")[2][2] == pytest.approx([2.7, 2.9, -2.9])
    page.uncheck("#experiments label:has-text('control') input")
    assert len(series(page, "Validation")) == 6
    page.uncheck("[data-group=Validation] [data-line=noisy]")
    assert len(series(page, "Validation")) == 4
    assert page.evaluate("document.activeElement.dataset.line") == "noisy"
    page.select_option("#across", "updates")
    ends = "[OKD.training.plots.Gradients.data[0].at(-1)]"
    assert page.evaluate(ends) == [60]


def test_the_table_of_runs_has_the_last_and_the_best(visit, running):
    page = visit((running / "index.html").as_uri(), "#curves canvas")
    cells = page.locator("#runs-table tbody tr").first.locator("th, td")
    assert cells.all_inner_texts() == [
        *("okd_50/1", "epoch 7/9 okd, 2 h left", "pesq"),
        *("-3.900", "1.900", "4", "1.500"),
    ]
    assert page.locator("#runs-table tbody tr").count() == 6


def test_a_point_of_a_curve_says_what_it_is(visit, running):
    page = visit((running / "index.html").as_uri(), "#curves canvas")
    place = page.evaluate(
        "(() => { const u = OKD.training.plots.Validation;"
        " u.root.scrollIntoView(); const box = u.over.getBoundingClientRect();"
        " return [box.left + u.valToPos(4, 'x'), box.top + u.valToPos(2.3, 'y')"
        "]; })()"
    )
    page.mouse.move(*place)
    tip = page.locator("[data-group=Validation] .tip")
    assert tip.inner_text() == "okd_50/2, pesq: 2.3 in epoch 4"


def test_a_page_that_is_open_follows_its_runs(visit, tmp_path):
    run = write_run_folder(tmp_path / "run")
    make_page([read_results(run)], tmp_path / "page")
    page = visit((tmp_path / "page/index.html").as_uri(), "#curves canvas")
    select = page.locator("[data-group=Validation] select")
    select.select_option("csig")
    assert page.evaluate("OKD.waits") is not None
    table = EpochTable(run / TRAIN_LOG)
    table.add({"epoch": 7, "valid csig csig": 3.25, "valid noisy csig": 2.5})
    write_curves([read_results(run)], tmp_path / "page")
    page.evaluate("OKD.ask()")
    wait(page, "OKD.training.runs[0].epochs.length === 7")
    assert select.input_value() == "csig"  # what was chosen stays
    assert series(page, "Validation")[-1][2][-1] == 3.25


def violations(page):
    """Return what axe-core has to say of a page."""
    if not AXE.is_file():
        pytest.skip("no axe-core here: tools/vendor_web.sh --axe")
    page.add_script_tag(path=str(AXE))
    return page.evaluate(
        "axe.run({preload: false}).then(r => r.violations.map(v => v.id + ': '"
        " + v.nodes.map(n => n.html).join(' ')))"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_no_violation(visit, running, scheme, width):
    options = {"color_scheme": scheme}
    options["viewport"] = {"width": width, "height": 800}
    page = visit(**options)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.getElementById('trial').hidden = false")
    assert violations(page) == []
    page = visit((running / "index.html").as_uri(), "#curves canvas", **options)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert violations(page) == []


def test_a_web_server_serves_it(visit, made):
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=made
    )
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = visit(f"http://127.0.0.1:{server.server_port}/")
        page.check("#loop")
        page.click("#play")
        wait(page, "OKD.player.time > 0.1")
    finally:
        server.shutdown()


def test_as_many_utterances_as_voicebank_stay_quick(visit, tmp_path):
    folder = write_results_folder(tmp_path / "run", count=824)
    make_page([read_results(folder)], tmp_path / "page")
    page = visit((tmp_path / "page" / "index.html").as_uri())
    seconds = page.evaluate(
        "(() => { const start = performance.now();"
        " document.getElementById('f-sound').checked = false;"
        " OKD.drawList(); OKD.drawCharts();"
        " document.getElementById('list').getBoundingClientRect();"
        " return (performance.now() - start) / 1000; })()"
    )
    assert page.inner_text("#count") == "824 of 824 utterances"
    assert seconds < 5  # 0.2 s on an idle machine
