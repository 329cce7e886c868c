"""The documentation site builds without a warning, and shows what it describes."""

import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
import ruamel.yaml

from okd_brain.config import describe_keys
from okd_brain.metrics import METRICS
from okd_brain.recipes import recipes

ROOT = Path(__file__).resolve().parents[1]


def test_the_citation_is_that_of_the_readme():
    citation = ruamel.yaml.YAML(typ="safe").load(ROOT / "CITATION.cff")
    paper = citation["preferred-citation"]
    entry = (ROOT / "README.md").read_text().partition("```bibtex")[2]
    fields = dict(re.findall(r"(\w+)\s+= \{(.+)\}", entry))
    assert fields["title"].translate({123: None, 125: None}) == paper["title"]
    assert fields["author"].split(" and ") == [
        f"{author['family-names']}, {author['given-names']}"
        for author in paper["authors"]
    ]
    assert fields["pages"] == f"{paper['start']}--{paper['end']}"
    assert (int(fields["year"]), int(fields["volume"])) == (2023, 202)
    assert (paper["year"], paper["volume"]) == (2023, 202)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site, built as ``make docs`` does."""
    for package in ("mkdocs", "material", "mkdocstrings_handlers.python"):
        pytest.importorskip(package, reason="needs pip install 'okd[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
        + ["--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout + done.stderr == ""
    return folder


def text_of(page):
    return unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


@pytest.mark.slow
def test_the_reference_has_all_that_there_is(site):
    configuration = text_of(site / "reference" / "configuration.html")
    for recipe in recipes().values():
        [base] = {"okd_pesq_csig", "okd_siib_haspi_estoi"} & {
            path.stem for path in (recipe / "hparams").glob("*.yaml")
        }
        for key in describe_keys(recipe / "hparams" / f"{base}.yaml"):
            assert key.comment in configuration, key.name
    metrics = text_of(site / "reference" / "metrics.html")
    for metric in METRICS.values():
        assert metric.name in metrics
        assert metric.source in metrics
    commands = text_of(site / "reference" / "commands.html")
    for file in (ROOT / "tests" / "golden" / "help").glob("okd-*.txt"):
        assert file.read_text().strip() in " ".join(commands.split())
    page = site / "reference" / "python.html"
    for words in ("CausalLSTMGenerator", "MixingPlan", "Parameters:", "kl"):
        assert words in text_of(page)
    # A section of a docstring that was taken for text becomes a heading.
    headings = re.findall(r"<h2[^>]*>(\w+)", page.read_text(encoding="utf-8"))
    assert set(headings) & {"Arguments", "Example", "Returns"} == set()


@pytest.mark.slow
def test_pages_are_complete_and_ask_nothing_of_other_sites(site):
    pages = list(site.rglob("*.html"))
    names = {str(page.relative_to(site)) for page in pages}
    assert {
        path.with_suffix(".html").name for path in (ROOT / "docs").glob("*.md")
    } <= names
    # What pages link to outside docs/ has a page, and what that links to, too.
    assert "repository/examples/own_parts.py.html" in names
    assert "repository/examples/ten_minutes.ipynb.html" in names
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for tag in re.findall(r"<(?:link|script|img|iframe)\b[^>]*>", text):
            assert not re.search(r'(?:src|href)="?(?:https?:)?//', tag), tag
        for link in re.findall(r'<a [^>]*href="([^"#:]+)"', text):
            if page.name != "404.html":  # it may be shown anywhere
                assert (page.parent / link).exists(), (page, link)
        # A list or a table that Markdown took for text.
        assert not re.search(r"<p>(?:(?!</p>)[\s\S])*?\n(?:[*-]|\|) ", text), (
            page
        )
