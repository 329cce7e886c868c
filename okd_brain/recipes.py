"""The recipes from anywhere: ``okd-train``, ``okd-study`` and ``okd-analyse``.

A recipe is a folder of scripts, experiments and studies. The wheel has a copy of
those in the clone. The commands take names of experiments and studies where the
scripts take files, and run those scripts: there is no other way to train.
"""

import contextlib
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from okd_brain import cli
from okd_brain.files import shipped
from okd_brain.messages import UserError, offer

FIRST = "VoiceBank"  # whose experiments need no prefix
KINDS = {"hparams": "experiment", "studies": "study"}
YAML = (".yaml", ".yml")

TRAIN = """\
Train one of the experiments that come with okd, or one of your own.

EXPERIMENT is a name (--list shows all; LE/NAME where two recipes have one), or
a YAML file in the hparams of a recipe that --copy has put in place. Without
--data_folder it trains on a mini corpus that comes with okd. okd-train
EXPERIMENT --help explains its keys. What is written goes to ./results.
"""
STUDY = """\
Run several experiments for several seeds and make one table of them.

STUDY is a name (--list shows all; LE/NAME where two recipes have one), or a YAML
file in the studies of a recipe that okd-train --copy has put in place.
okd-study STUDY --help explains the options.
"""


def recipes():
    """Return the recipes that come with okd.

    Returns
    -------
    dict
        Name, such as "VoiceBank" -> its folder; the first one is what is meant
        where several would do.

    Example
    -------
    >>> list(recipes())[:2]
    ['VoiceBank', 'LE']
    """
    scripts = sorted(shipped("recipes").glob("*/*/train.py"))
    found = {path.parents[1].name: path.parent for path in scripts}
    return {FIRST: found.pop(FIRST), **found}


def find_yaml(text, kind="hparams"):
    """Return the file of an experiment or a study, and its recipe.

    Arguments
    ---------
    text : str
        NAME, RECIPE/NAME, or a file that ends in .yaml.
    kind : str
        "hparams" or "studies": the folder, within a recipe, of such files.

    Returns
    -------
    recipe, file : Path
        The folder that holds ``train.py``, and the YAML.

    Raises
    ------
    UserError
        If there is no such name or file, or the file is not part of a recipe.

    Example
    -------
    >>> recipe, file = find_yaml("LE/control")
    >>> file.relative_to(recipe).as_posix()
    'hparams/control.yaml'
    """
    if text.endswith(YAML):
        file = Path(text)
        if not os.path.isfile(file):
            raise UserError(
                f"There is no file {text}; one of those that come with okd goes "
                f"by its name, without .yaml{offer(file.stem, _names(kind))}"
            )
        for folder in file.resolve().parents[1:3]:  # hparams, hparams/fast
            if (folder / "train.py").is_file():
                return folder, file
        raise UserError(
            f"{text} belongs to no recipe: there is no train.py beside the "
            "folder that it is in. okd-train --copy FOLDER makes a recipe of "
            f"your own; put the file into its {kind}."
        )
    files = _files(kind)
    for name in (text, *(f"{recipe}/{text}" for recipe in recipes())):
        if name in files:
            return recipes()[name.partition("/")[0]], files[name]
    raise UserError(
        f"There is no {KINDS[kind]} {text!r}{offer(text, _names(kind))}"
    )


@contextlib.contextmanager
def script(recipe, name) -> Iterator[ModuleType]:
    """Give a script of a recipe as a module, its folder on Python's path.

    Arguments
    ---------
    recipe : Path
        Folder of the recipe.
    name : str
        "train" or another one, without suffix.

    Yields
    ------
    ModuleType
    """
    sys.path.insert(0, str(recipe))
    spec = importlib.util.spec_from_file_location(name, recipe / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # SpeechBrain looks for the script there
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]
        sys.path.remove(str(recipe))


def train(argv=None):
    """Run ``okd-train``.

    Arguments
    ---------
    argv : list of str, optional
        Command line without the program's name; that of the process if None.

    Returns
    -------
    int
        Exit status: that of ``train.py``.
    """
    argv, named = _opened(argv)
    if named:
        return cli.run_resumable(_train, argv)
    parser = _parser("okd-train", "EXPERIMENT", "--key VALUE", TRAIN)
    parser.usage += "\n       %(prog)s --copy FOLDER [RECIPE]"
    parser.add_argument(
        "--copy",
        metavar="FOLDER",
        type=Path,
        help="put a recipe there, to edit: scripts, experiments, studies",
    )
    parser.add_argument(
        "recipe",
        metavar="RECIPE",
        nargs="?",
        choices=recipes(),
        default=FIRST,
        help=f"for --copy: {' or '.join(recipes())} (default: {FIRST})",
    )
    arguments = parser.parse_args(argv)
    if arguments.list:
        return cli.run(_list, "hparams")
    if arguments.copy is None:
        parser.error("EXPERIMENT is required and comes first; see --list")
    return cli.run(_copy, arguments.recipe, arguments.copy)


def _train(argv):
    recipe, file = find_yaml(argv[0])
    with script(recipe, "train") as module:
        return module.main([str(file), *argv[1:]])


def study(argv=None):
    """Run ``okd-study``.

    Arguments
    ---------
    argv : list of str, optional
        As for ``train``.

    Returns
    -------
    int
        Exit status: that of ``study.py``.
    """
    argv, named = _opened(argv)
    if named:
        return cli.run(_study, argv)
    parser = _parser("okd-study", "STUDY", "OPTION", STUDY)
    if not parser.parse_args(argv).list:
        parser.error("STUDY is required and comes first; see --list")
    return cli.run(_list, "studies")


def _study(argv):
    from okd_brain import studies

    recipe, file = find_yaml(argv[0], "studies")
    return studies.main(recipe, [str(file), *argv[1:]])


def analyse(argv=None):
    """Run ``okd-analyse``.

    Arguments
    ---------
    argv : list of str, optional
        As for ``train``.

    Returns
    -------
    int
        Exit status: that of ``analyse.py``.
    """
    argv, _ = _opened(argv)
    return cli.run(_analyse, argv)


def _analyse(argv):
    from okd_brain.analyses import OF_EXPERIMENTS

    recipe = recipes()[FIRST]
    of_experiment = len(argv) > 1 and argv[0] in OF_EXPERIMENTS
    if of_experiment and not argv[1].startswith("-"):
        recipe, file = find_yaml(argv[1])
        argv[1] = str(file)
    with script(recipe, "analyse") as module:
        return module.main(argv)


def _opened(argv):
    """Return a command line as a new list, and whether a name comes first."""
    argv = list(sys.argv[1:] if argv is None else argv)
    return argv, bool(argv) and not argv[0].startswith("-")


def _parser(prog, what, more, description):
    """Return a parser for a command line that begins with an option."""
    parser = cli.make_parser(
        prog=prog,
        usage=f"%(prog)s {what} [{more} ...]\n       %(prog)s --list",
        description=description,
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="show what comes with okd, a line each",
    )
    return parser


def _list(kind):
    for name, file in _names(kind).items():
        cli.show(f"{name:<32} {_summary(file)}")


def _names(kind):
    """Return name -> file; where no prefix is needed, the name has none."""
    files = _files(kind)
    return {name.removeprefix(f"{FIRST}/"): files[name] for name in files}


def _files(kind):
    """Return RECIPE/NAME -> file of all that comes with okd."""
    return {
        f"{recipe}/{file.relative_to(folder / kind).with_suffix('')}": file
        for recipe, folder in recipes().items()
        for file in sorted((folder / kind).rglob("*.yaml"))
        if file.parent.name != "schedules"
    }


def _summary(file):
    """Return the first sentence of the comment at the top of a YAML."""
    words = []
    for line in file.read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("#").strip(" #")
        if not line.startswith("#") or text.startswith("Source:"):
            break
        words += text.removeprefix("Model:").split()
    return " ".join(words).partition(". ")[0].rstrip(".")


def _copy(name, folder):
    """Put a recipe in place to edit; files are the user's, not read-only."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: exists already. Name a new folder.")
    shutil.copytree(
        recipes()[name],
        folder,
        ignore=shutil.ignore_patterns("__pycache__", "results"),
        copy_function=shutil.copyfile,
        dirs_exist_ok=True,
    )
    cli.show(
        f"The recipe {name} is in {folder}. To train what you have edited: "
        f"okd-train {folder}/hparams/NAME.yaml"
    )
