"""Names of the models that come with okd; what each one is, and where.

Nothing here needs torch, so that ``okd-enhance --list-models`` answers at once.
"""

from dataclasses import dataclass
from pathlib import Path

from okd_brain.files import CHECKSUMS, damage, read_json
from okd_brain.messages import UserError

FOLDER = Path(__file__).resolve().parent
DEFAULTS = {"se": "causal", "le": "listening"}  # task -> name of its model
TASKS = {"se": "speech enhancement", "le": "listening enhancement"}
SSDRC = "ssdrc"  # named as a model is: listening enhancement without a network
CARD, DETAILS = "README.md", "model.json"


@dataclass(frozen=True)
class Model:
    """A model that comes with okd.

    Attributes
    ----------
    name : str
        Of its folder.
    task : str
        "se" or "le".
    summary : str
        The first sentence of its card.
    """

    name: str
    task: str
    summary: str


def known_models():
    """Return the models that come with okd.

    Returns
    -------
    dict
        Name -> Model, sorted by name.
    """
    found = {}
    for sums in sorted(FOLDER.glob(f"*/{CHECKSUMS}")):
        folder = sums.parent
        kind = read_json(folder / DETAILS).get("generator")
        task = "le" if kind == "BandGainGenerator" else "se"
        card = (folder / CARD).read_text(encoding="utf-8")
        found[folder.name] = Model(folder.name, task, _first_sentence(card))
    return found


def find_model(name):
    """Return the folder of a model that comes with okd, found whole.

    Arguments
    ---------
    name : str
        Its name.

    Returns
    -------
    Path or None
        None if there is no model of this name.

    Raises
    ------
    UserError
        If its files are not those that its checksums were made of.
    """
    if name not in {sums.parent.name for sums in FOLDER.glob(f"*/{CHECKSUMS}")}:
        return None
    folder = FOLDER / name
    if defect := damage(folder):
        raise UserError(
            f"The model {name} in {folder} is damaged: {defect}. Install okd "
            "again."
        )
    return folder


def default_model(task):
    """Return the name of the model that a task uses if none is named.

    Arguments
    ---------
    task : str
        "se" or "le".

    Returns
    -------
    str

    Raises
    ------
    UserError
        If none comes with this installation.
    """
    if DEFAULTS[task] not in known_models():
        raise UserError(
            f"no model for {TASKS[task]} comes with this okd: name one with "
            "--model, or in Python as the first argument"
        )
    return DEFAULTS[task]


def _first_sentence(card):
    """Return the first sentence below the title of a card."""
    paragraphs = [part for part in card.split("\n\n") if part.strip()]
    texts = [part for part in paragraphs if not part.lstrip().startswith("#")]
    text = " ".join(texts[0].split()) if texts else ""
    return text.partition(". ")[0].rstrip(".")
