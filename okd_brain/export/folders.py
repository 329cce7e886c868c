"""Trained networks as folders that others can load.

Each generator gets a folder in the layout of SpeechBrain's published MetricGAN+.
The stock ``SpectralMaskEnhancement`` loads it without okd_brain, mask floor
included; ``load_generator`` loads such folders and published ones, to enhance or
to train further. Folders for listening enhancement look the same but need
okd_brain, because SpeechBrain has no such task. The discriminators are saved
beside the generators, with the names of their heads, for fine-tuning.
"""

import json
import shutil
from contextlib import contextmanager
from pathlib import Path

from okd_brain import __version__
from okd_brain.discriminators import CHANNELS, Discriminator
from okd_brain.export.details import FILE, json_values, task_of
from okd_brain.export.sources import WEIGHTS, export_file, weights_path
from okd_brain.export.texts import hyperparams_yaml, model_card
from okd_brain.export.weights import fill, load_weights, save_weights
from okd_brain.files import CHECKSUMS, read_json, replacing_folder, seal
from okd_brain.generators import GENERATORS
from okd_brain.messages import UserError

EXPORTED = ("hyperparams.yaml", WEIGHTS, FILE, "README.md")
LICENCE = "LICENSE"


def export_generator(generator, folder, *, name, details):
    """Write a generator as a folder that SpeechBrain loads.

    The folder holds ``hyperparams.yaml`` (which names classes of SpeechBrain and
    torch only, or of okd_brain for listening enhancement),
    ``enhance_model.ckpt`` (with the keys of SpeechBrain's
    ``EnhancementGenerator`` where the generator is one), ``model.json`` (the
    details) and ``README.md`` (a model card). It appears complete or not at
    all, and replaces an older export in the same place.

    Arguments
    ---------
    generator : BLSTMGenerator, CausalLSTMGenerator or BandGainGenerator
        The bare module, not wrapped for distributed training; not changed.
    folder : str or Path
        Where to write; parents are made.
    name : str
        Name of the generator: its target, such as "csig+cbak".
    details : dict
        The task's ``description`` and the origin of the weights: target, epoch,
        phase, seed, corpus, validation scores ... See ``json_values`` for the
        types.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If the generator is of another class or has weights that are not
        finite, if ``details`` name an unknown ``equal_power`` or cannot be
        written as JSON, or if the folder holds files that no export wrote.

    Example
    -------
    >>> from okd_brain.generators import BLSTMGenerator
    >>> folder = getfixture("tmp_path") / "pesq"
    >>> folder = export_generator(
    ...     BLSTMGenerator(), folder, name="pesq", details={"epoch": 20}
    ... )
    >>> sorted(path.name for path in folder.iterdir())
    ['README.md', 'enhance_model.ckpt', 'hyperparams.yaml', 'model.json']
    >>> type(load_generator(folder)).__name__
    'BLSTMGenerator'
    """
    kind = type(generator)
    if kind not in GENERATORS.values():
        known = ", ".join(kind.__name__ for kind in GENERATORS.values())
        raise ValueError(f"Only {known} can be exported; got {kind.__name__}.")
    model = {
        "name": name,
        "generator": kind.__name__,
        "okd_version": __version__,
        "details": json_values(details),
    }
    task = task_of(generator, details)
    with _replacing_export(folder, EXPORTED) as staged:
        save_weights(generator, staged / WEIGHTS)
        _write(
            staged / "hyperparams.yaml",
            hyperparams_yaml(kind, name, __version__, task),
        )
        _write(staged / FILE, json.dumps(model, indent=2) + "\n")
        _write(staged / "README.md", model_card(**model))
    return Path(folder)


def pack_model(source, folder, licence):
    """Make a model that can come with okd, or be given to others, of an export.

    Weights become 16-bit floats, of half the size (``load_generator`` makes
    32-bit ones of them, and so does SpeechBrain), the licence is added, and all
    is sealed with checksums. In ``okd_brain/models`` the folder is a model of
    okd, by the name of the folder.

    Arguments
    ---------
    source : str or Path
        As for ``load_generator``; its ``README.md`` becomes the card.
    folder : str or Path
        Where to write; replaces an older one.
    licence : str or Path
        The text of the licence of the weights.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        If there is no such export, or the folder holds files that this did not
        write.

    Example
    -------
    >>> from okd_brain.generators import CausalLSTMGenerator
    >>> export, licence = getfixture("tmp_path") / "a", "Any use is allowed."
    >>> _ = export_generator(CausalLSTMGenerator(), export, name="a", details={})
    >>> length = (export.parent / "LICENSE").write_text(licence)
    >>> model = pack_model(export, export.parent / "b", export.parent / "LICENSE")
    >>> sorted(path.name for path in model.iterdir())[:3]
    ['LICENSE', 'README.md', 'SHA256SUMS']
    >>> (model / WEIGHTS).stat().st_size < 0.51 * (export / WEIGHTS).stat().st_size
    True
    """
    generator = load_generator(source).half()
    with _replacing_export(folder, (*EXPORTED, LICENCE, CHECKSUMS)) as staged:
        save_weights(generator, staged / WEIGHTS)
        for name in set(EXPORTED) - {WEIGHTS}:
            shutil.copyfile(export_file(source, name), staged / name)
        shutil.copyfile(licence, staged / LICENCE)
        seal(staged)
    return Path(folder)


def load_generator(source):
    """Load a generator, to enhance or to train further.

    Only weights are read (``torch.load(weights_only=True)``); nothing in the
    source is executed. Published MetricGAN+ weights get the mask floor that
    they were trained with, which SpeechBrain's own inference leaves out.

    Arguments
    ---------
    source : str or Path
        A folder written by ``export_generator``, the output folder of a run with
        one generator, the name of a model that comes with okd, a folder with SpeechBrain's published MetricGAN+, or its id
        on the Hugging Face hub, such as "speechbrain/metricgan-plus-voicebank"
        (fetched once, then cached).

    Returns
    -------
    BLSTMGenerator, CausalLSTMGenerator or BandGainGenerator
        On the CPU, in evaluation mode, every parameter trainable.

    Raises
    ------
    ValueError
        If there is no such folder or hub model, or its weights do not fit one of
        these classes in every key and shape.
    """
    return read_generator(weights_path(source))


def read_generator(path):
    """Load a generator from a file of weights.

    Arguments
    ---------
    path : Path
        ``enhance_model.ckpt`` of an export, or ``g_<target>.ckpt`` of a
        training checkpoint.

    Returns
    -------
    BLSTMGenerator, CausalLSTMGenerator or BandGainGenerator
        On the CPU, in evaluation mode.

    Raises
    ------
    ValueError
        If the weights are not those of one of these classes.
    """
    weights = load_weights(path)
    kinds = [
        kind
        for prefix, kind in GENERATORS.items()
        if any(str(key).startswith(prefix) for key in weights)
    ]
    if len(kinds) != 1:
        prefixes = " or ".join(f"'{prefix}*'" for prefix in GENERATORS)
        found = ", ".join(str(key) for key in list(weights)[:3])
        raise UserError(
            f"{path} holds no generator that okd_brain knows: its keys are "
            f"{found} ... where {prefixes} is needed."
        )
    return fill(kinds[0](), weights, path).eval()


def export_discriminator(discriminators, folder, *, heads):
    """Write the discriminators and the names of their heads.

    Arguments
    ---------
    discriminators : list of Discriminator
        One if shared, several if separate; bare modules, not changed.
    folder : str or Path
        Where to write ``discriminator.json`` and the weights beside it.
    heads : list of list of str
        For each discriminator, the names of its outputs in order.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If the numbers of names and outputs differ, weights are not finite, or
        the folder holds files that no export wrote.

    Example
    -------
    >>> folder = getfixture("tmp_path") / "discriminator"
    >>> folder = export_discriminator(
    ...     [Discriminator(heads=2)], folder, heads=[["pesq", "csig"]]
    ... )
    >>> [(discriminator, names)] = load_discriminator(folder)
    >>> names
    ('pesq', 'csig')
    """
    outputs = [d.linears[-1].out_features for d in discriminators]
    if outputs != [len(names) for names in heads]:
        raise ValueError(
            "Every output of a discriminator needs one name: the outputs are "
            f"{outputs}, the names {[list(names) for names in heads]}."
        )
    entries = [
        {"weights": f"discriminator_{i}.ckpt", "heads": list(names)}
        for i, names in enumerate(heads)
    ]
    text = json.dumps(
        {"okd_version": __version__, "discriminators": entries}, indent=2
    )
    files = ("discriminator.json", "discriminator_*.ckpt")
    with _replacing_export(folder, files) as staged:
        for discriminator, entry in zip(discriminators, entries, strict=True):
            save_weights(discriminator, staged / entry["weights"])
        _write(staged / "discriminator.json", text + "\n")
    return Path(folder)


def load_discriminator(folder):
    """Load what ``export_discriminator`` wrote, to train further.

    Arguments
    ---------
    folder : str or Path
        The folder.

    Returns
    -------
    list of (Discriminator, tuple of str)
        Each discriminator, on the CPU and in training mode, and the names of
        its heads.

    Raises
    ------
    ValueError
        If the folder is not such an export, or weights do not fit.
    """
    listing = Path(folder) / "discriminator.json"
    try:
        named = [
            (entry["weights"], tuple(entry["heads"]))
            for entry in read_json(listing)["discriminators"]
        ]
        for name, heads in named:
            if not heads or {type(text) for text in (name, *heads)} != {str}:
                raise ValueError(f"{name!r} and {heads!r} are no names")
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(
            f"{folder} is not a folder of exported discriminators: cannot read "
            f"{listing.name} in it ({error!r})."
        ) from error
    loaded = []
    for file_name, heads in named:
        path = Path(folder) / file_name
        weights = load_weights(path)
        kernels = [
            weights.get(f"convolutions.{i}.weight_orig")
            for i in range(len(CHANNELS))
        ]
        sizes = {}
        if all(getattr(kernel, "ndim", 0) == 4 for kernel in kernels):
            sizes = {
                "channels": kernels[0].shape[1],
                "widths": [kernel.shape[0] for kernel in kernels],
            }
        discriminator = Discriminator(
            heads=len(heads), normalise="norm.weight" in weights, **sizes
        )
        loaded.append((fill(discriminator, weights, path), heads))
    return loaded


@contextmanager
def _replacing_export(folder, patterns):
    """Replace an older export; refuse to delete files that no export wrote."""
    folder = Path(folder).resolve()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() or not any(path.match(p) for p in patterns):
            raise UserError(
                f"Cannot export to {folder}: it holds '{path.name}', which no "
                "export wrote and which would be lost. Name a new folder."
            )
    with replacing_folder(folder) as staged:
        yield staged


def _write(path, text):
    path.write_text(text, encoding="utf-8")
