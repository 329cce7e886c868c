"""What mkdocs makes of the repository when it builds the site.

Two things. Pages link to files of the repository outside this folder; each such
file, and what it links to, becomes a page below ``repository/``, so that the site
is complete and mkdocs checks every link. And the reference is made from what it
describes: the commands' parsers, the comments of the experiments, ``METRICS``,
and the docstrings of what the package offers.
"""

import configparser
import html
import inspect
import io
import json
import os
import posixpath
import re
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path
from unittest import mock

import griffe
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
DOCS = "docs/"
OUTSIDE = "repository/"
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(\[[^\]]*\]\()([^)\s#]+)(#[^)\s]*)?\)")
COPIED = (".png", ".svg", ".xz")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".csv": "text", ".sh": "bash"}
OFFERED = {
    "okd_brain": "what most programs need",
    "okd_brain.metrics": "what a metric is; targets",
    "okd_brain.scoring": "many scores in several processes",
    "okd_brain.enhance": "waves and files",
    "okd_brain.streaming": "live audio",
    "okd_brain.export": "export folders and ONNX",
    "okd_brain.corpora": "folders of audio to datasets",
    "okd_brain.generators": "networks that enhance",
    "okd_brain.discriminators": "networks that imitate metrics",
    "okd_brain.mimicry": "distances between generators",
    "okd_brain.training": "the acts of a recipe's train.py",
}


def on_files(files, config):
    """Add the reference, and what pages link to outside this folder."""
    reference = {
        "commands": commands(),
        "configuration": configuration(),
        "metrics": metrics(),
        "python": python(),
    }
    for name, text in reference.items():
        uri = f"reference/{name}.md"
        files.append(File.generated(config, uri, content=text))
    waiting = [
        DOCS + file.src_uri
        for file in files.documentation_pages()
        if not file.generated_by
    ]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        for link in LINK.finditer(prose(page_of(path))):
            target = resolve(path, link[2])
            if target and target not in seen:
                seen.add(target)
                waiting.append(target)
    for path in sorted(seen):
        if not path.startswith(DOCS):
            source = {"content": page_of(path)}
            if path.endswith(COPIED):
                source = {"abs_src_path": str(ROOT / path)}
            files.append(File.generated(config, uri_of(path), **source))
    return files


def on_page_markdown(markdown, page, **_):
    """Let links to files of the repository lead to their pages."""
    uri = page.file.src_uri
    if uri.startswith("reference/"):
        return markdown
    path = uri.removeprefix(OUTSIDE) if uri.startswith(OUTSIDE) else DOCS + uri

    def led(link):
        target = resolve(path, link[2])
        if target is None:
            return link[0]
        there = posixpath.relpath(uri_of(target), posixpath.dirname(uri))
        return f"{link[1]}{there}{link[3] or ''})"

    parts = FENCE.split(markdown)
    parts[::2] = [LINK.sub(led, part) for part in parts[::2]]
    return "".join(parts)


def resolve(path, link):
    """Return the file that a link of another file leads to; None: elsewhere."""
    if re.match(r"\w+:", link):
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    if (ROOT / target).is_dir():
        target = posixpath.join(target, "README.md")
    if not (ROOT / target).is_file():
        raise PluginError(f"{path}: no file {target} to link to")
    return target


def uri_of(path):
    """Return where a file of the repository is in the site's sources."""
    if path.startswith(DOCS):
        return path.removeprefix(DOCS)
    is_page = path.endswith((".md", *COPIED))
    return f"{OUTSIDE}{path}" if is_page else f"{OUTSIDE}{path}.md"


def prose(text):
    """Return a text without its blocks of code."""
    return FENCE.sub("", text)


def page_of(path):
    """Return a file as Markdown."""
    if path.endswith(COPIED):
        return ""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".md"):
        return text
    if path.endswith(".ipynb"):
        cells = json.loads(text)["cells"]
        parts = [
            "".join(cell["source"])
            if cell["cell_type"] == "markdown"
            else fenced("".join(cell["source"]), "python")
            for cell in cells
        ]
        return "\n\n".join(parts)
    language = LANGUAGES.get(Path(path).suffix, "text")
    return f"# {path}\n\n{fenced(text.rstrip(), language)}\n"


def fenced(text, language):
    """Return a block of code."""
    return f"```{language}\n{text}\n```"


# The reference ------------------------------------------------------------------


def commands():
    """Return what ``--help`` of every command says."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    points = setup["options.entry_points"]["console_scripts"].split("\n")
    text = ["# Commands\n\nWhat `--help` of each command says."]
    for point in filter(None, points):
        name, place = point.split(" = ")
        text.append(f"## {name}\n\n{fenced(help_of(name, place), 'text')}")
    text.append(
        "Keys of experiments, which `okd-train EXPERIMENT --help` lists, are in "
        "[the configuration](configuration.md)."
    )
    return "\n\n".join(text)


def help_of(name, place):
    """Return what a command prints when it is asked for help."""
    module, function = place.split(":")
    main = getattr(__import__(module, fromlist=[function]), function)
    output = io.StringIO()
    with (
        mock.patch.dict(os.environ, COLUMNS="80"),
        mock.patch.object(sys, "argv", [name, "--help"]),
        redirect_stdout(output),
        suppress(SystemExit),
    ):
        main()
    return output.getvalue().rstrip()


def configuration():
    """Return the keys of the base experiments, from the comments of the YAML."""
    from okd_brain.command_line import RUN_OPTIONS
    from okd_brain.config import describe_keys
    from okd_brain.recipes import recipes

    text = [
        "# Configuration\n\nThe keys of an experiment, made from the comments of "
        "the base experiment of either recipe. Each can be set in a YAML file "
        "or on the command line (`--alpha 10`)."
    ]
    bases = ["okd_pesq_csig", "okd_siib_haspi_estoi"]
    for (recipe, folder), name in zip(recipes().items(), bases, strict=True):
        text.append(f"## {recipe}: `{name}.yaml`")
        sections = {}
        for key in describe_keys(folder / "hparams" / f"{name}.yaml"):
            sections.setdefault(key.section, []).append(
                [code(key.name), code(key.default), escaped(key.comment)]
            )
        for section, rows in sections.items():
            title, _, rest = section.partition(": ")
            text.append(f"### {escaped(title or 'Experiment')}")
            text.append(escaped(rest))
            text.append(table(["key", "default", ""], rows))
    text.append("## SpeechBrain's run options")
    rows = [
        [code(f"--{name} {value or ''}".rstrip()), escaped(meaning)]
        for name, (value, meaning) in RUN_OPTIONS.items()
    ]
    text.append(table(["option", ""], rows))
    return "\n\n".join(filter(None, text))


def metrics():
    """Return a table of ``METRICS``."""
    from okd_brain.metrics import METRICS

    rows = [
        [
            code(metric.name),
            f"{metric.floor:g}",
            "" if metric.perfect is None else f"{metric.perfect:.4g}",
            metric.hears,
            "yes" if metric.needs_reference else "no",
            f"{metric.min_seconds:g}",
            "yes" if metric.twin else "no",
        ]
        for metric in METRICS.values()
    ]
    origins = [
        [
            code(metric.name),
            code(metric.curve)
            if metric.curve
            else "line from worst to perfect",
            escaped(metric.source)
            + (
                f"; `pip install 'okd[{metric.extra}]'`" if metric.extra else ""
            ),
        ]
        for metric in METRICS.values()
    ]
    head = [
        "metric",
        "worst",
        "perfect",
        "judges",
        "compares",
        "seconds",
        "twin",
    ]
    return (
        "# Metrics\n\nWhat `okd_brain.metrics.METRICS` holds. *Judges*: what "
        "reaches the ear, noise of the listener included, or what the device "
        "plays. *Compares*: whether clean speech is needed. *Seconds*: the "
        "shortest signal. How to score is on [its own page](../scoring.md), what "
        "a twin is on [another](../twins.md).\n\n"
        + table(head, rows)
        + "\n\nHow a score becomes the label from 0 to 1 that discriminators "
        "learn, and where the metric is from:\n\n"
        + table(["metric", "label", "source"], origins)
    )


def python():
    """Return the names that packages offer, for mkdocstrings."""
    text = ["# Python\n\nWhat the packages offer, from their docstrings."]
    told = set()
    for package, what in OFFERED.items():
        text.append(f"## {package}\n\n{what[0].upper()}{what[1:]}.")
        module = __import__(package, fromlist=["__all__"])
        for name in getattr(module, "__all__", None) or sorted(vars(module)):
            value = getattr(module, name)
            if inspect.isroutine(value) or inspect.isclass(value):
                home = f"{value.__module__}.{value.__qualname__}"
                if home.startswith(f"{package}.") and home not in told:
                    told.add(home)
                    text.append(f"::: {home}")
    return "\n\n".join(text)


def table(head, rows):
    """Return a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(value):
    """Return a value as code within a table."""
    text = str(value).replace("|", "&#124;")
    return f"`{text}`" if text else ""


def escaped(text):
    """Return plain text as Markdown that shows it."""
    text = html.escape(text, quote=False).replace("|", "&#124;")
    return re.sub(r"([\\`*_\[\]])", r"\\\1", text)


class SpeechBrainSections(griffe.Extension):
    """Give docstrings the titles of sections that NumPy's style has."""

    TITLES = {
        "Arguments\n---------\n": "Parameters\n----------\n",
        "Example\n-------\n": "Examples\n--------\n",
    }

    def on_object(self, *, obj, **_):
        """Change the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            for ours, theirs in self.TITLES.items():
                value = obj.docstring.value
                obj.docstring.value = value.replace(ours, theirs)
