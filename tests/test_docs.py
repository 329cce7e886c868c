"""What Markdown files link to and name exists, at the place they give.

Nothing is imported: names are looked up in the source, so that this takes no
torch and well under a second.
"""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_README_LINES = 180  # the door; the manual is docs/
FOLDERS = ("benchmarks", "docs", "examples", "okd_brain", "recipes", "tests")
RECIPES = sorted(path.parent for path in ROOT.glob("recipes/*/*/train.py"))
# Commands are given as typed here, and paths as seen from here.
BASES = [ROOT, *RECIPES, *(recipe / "hparams" for recipe in RECIPES)]
FILES = sorted(ROOT.glob("*.md")) + sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).rglob("*.md")
    if path.relative_to(ROOT).parts[3:4] != ("results",)  # of runs
)
every_file = pytest.mark.parametrize(
    "path", FILES, ids=lambda path: str(path.relative_to(ROOT))
)

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
NAME = re.compile(r"\bokd_brain(?:\.\w+)+")
PLACE = re.compile(
    r"(?<![\w./:-])"
    r"(?:benchmarks|docs|examples|okd_brain|recipes|tests|hparams|studies|schedules)"
    r"/[\w./*-]*\w"
)
SCRIPT = re.compile(r"\bpython ([\w./]+\.py)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
TARGET = re.compile(r"\bmake ([a-z]+)")


def prose(path):
    """Return the text of a file without its blocks of code."""
    return FENCE.sub("", path.read_text())


def blocks(path, language):
    """Return the blocks of code of one language."""
    return [
        code
        for kind, code in FENCE.findall(path.read_text())
        if kind == language
    ]


@cache
def anchors(path):
    """Return the anchors of a file's headings, made as GitHub makes them."""
    found = set()
    for heading in HEADING.findall(prose(path)):
        words = LINK.sub(lambda link: link[0][1:].split("]")[0], heading)
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        count = 0
        while (anchor := f"{slug}-{count}" if count else slug) in found:
            count += 1
        found.add(anchor)
    return found


@cache
def defined(source):
    """Return the names of a module, with those of the body of each class."""
    return names_of(ast.parse(source.read_text()).body)


def names_of(body):
    """Return what statements define, not counting what is inside functions."""
    names = {}
    for node in body:
        if isinstance(node, ast.ClassDef):
            names[node.name] = names_of(node.body)
        elif isinstance(node, ast.FunctionDef):
            names[node.name] = {}
        elif isinstance(node, ast.If | ast.Try):
            names.update(names_of(node.body))
        else:
            for part in ast.walk(node):
                if isinstance(part, ast.alias):
                    names[part.asname or part.name] = {}
                elif isinstance(part, ast.Name):
                    names[part.id] = {}
                elif isinstance(part, ast.Call) and is_attach(part):
                    names.update((name, {}) for name in attached(part))
    return names


def is_attach(call):
    """Return whether a call gives a package its lazy names."""
    return isinstance(call.func, ast.Name) and call.func.id == "attach"


def attached(call):
    """Return the names that ``cli.attach`` is told."""
    for value in ast.literal_eval(call.args[1]).values():
        yield from value


def resolves(name):
    """Return whether a dotted name is a module, or something in one."""
    folder, rest = ROOT, name.split(".")
    while rest and (folder / rest[0]).is_dir():
        folder = folder / rest.pop(0)
    source = folder / "__init__.py"
    if rest and (folder / f"{rest[0]}.py").is_file():
        source = folder / f"{rest.pop(0)}.py"
    if not rest:
        return True
    names = defined(source) if source.is_file() else {}
    return rest[0] in names and (len(rest) == 1 or rest[1] in names[rest[0]])


def exists(place):
    """Return whether a path, or a pattern, is in the repository."""
    return any(any(base.glob(place)) for base in BASES)


def test_readme_is_a_door():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= MAX_README_LINES


def test_the_index_leads_to_every_page():
    index = ROOT / "docs" / "index.md"
    pages = {path.name for path in index.parent.glob("*.md")} - {index.name}
    assert pages <= set(LINK.findall(index.read_text()))


@every_file
def test_links_lead_somewhere(path):
    for link in LINK.findall(prose(path)):
        if re.match(r"\w+:", link):
            continue  # other sites: no test asks the network
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.resolve()), link


@every_file
def test_names_and_paths_are_in_the_repository(path):
    text = path.read_text()
    assert [name for name in NAME.findall(text) if not resolves(name)] == []
    text = re.sub(r"\w+://\S+", "", LINK.sub("", text))
    assert [place for place in PLACE.findall(text) if not exists(place)] == []


@every_file
def test_tests_are_where_they_are_said_to_be(path):
    for file, name in TEST.findall(path.read_text()):
        assert name in defined(ROOT / file), (file, name)


@every_file
def test_commands_name_scripts_and_targets_that_exist(path):
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^(\w+):", makefile, re.MULTILINE))
    for block in blocks(path, "bash"):
        assert all(exists(script) for script in SCRIPT.findall(block)), block
        assert set(TARGET.findall(block)) <= targets, block


@every_file
def test_examples_in_python_import_what_exists(path):
    for block in blocks(path, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                ours = [name for name in names if name.startswith("okd_brain.")]
                assert all(resolves(name) for name in ours), block


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("okd_brain.metrics.Metric", True),
        ("okd_brain.metrics.record.Metric.normalise", True),
        ("okd_brain.metrics.Metrics", False),
        ("okd_brain.enhance.enhance_wave", True),
        ("okd_brain.enhance.enhance_waves", False),
        ("okd_brain.enhance_wave", True),
        ("okd_brain.metric.Metric", False),
        ("okd_brain.brain.OKDBrain.fit_batch", True),
        ("okd_brain.brain.OKDBrain.fit_batches", False),
    ],
)
def test_a_name_is_looked_up_in_the_source(name, known):
    assert resolves(name) is known
