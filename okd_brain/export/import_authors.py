"""Convert checkpoints of the authors' code to export folders and back.

    okd-import 1_PE_CS_Table2.pth -o export/pesq
    okd-import export/pesq -o pesq.pth --to-authors

``okd-import --help`` says what it reads and writes.
"""

import logging
import sys
from pathlib import Path

from okd_brain import cli, export
from okd_brain.messages import UserError

logger = logging.getLogger("okd_brain.export.import_authors")  # with -m, too

DESCRIPTION = """\
Turn a checkpoint of the authors' MetricGAN-OKD code into an export folder, for
okd-enhance, SpeechBrain or a warm start (`pretrained:` in YAML); or, with
--to-authors, an export folder into such a checkpoint.

Whether a generator is causal follows from its weights. Nothing in a checkpoint
is executed. Masks have the floor of 0.05 that the authors' inference applies.
"""

EPILOG = """\
A checkpoint has the discriminator of its run besides. With --discriminator it
goes into a folder of its own, for a warm start; the file does not say what its
outputs stand for, so that --heads must: the metrics of that run's target_metric,
in their order. The running statistics of its batch normalisation are left out:
the authors' code never scores with them.

exit status: 0, or 2 with the reason.
"""


def import_checkpoint(checkpoint, folder, *, name=None):
    """Turn a checkpoint of the authors' code into an export folder.

    Arguments
    ---------
    checkpoint : AuthorsCheckpoint
        The checkpoint.
    folder : str or Path
        Where to write; see ``export_generator``.
    name : str, optional
        Name of the generator; that of the folder if None.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UserError
        If the weights are not finite, or the folder holds files that no export
        wrote.
    """
    details = {"imported from": checkpoint.path.name}
    if checkpoint.epoch is not None:
        details["epoch"] = checkpoint.epoch
    if checkpoint.test_scores:
        details["scores on the authors' test set"] = checkpoint.test_scores
    return export.export_generator(
        checkpoint.generator,
        folder,
        name=name or Path(folder).resolve().name,
        details=details,
    )


def export_for_authors(source, path, *, discriminator=None):
    """Turn an export folder into a checkpoint of the authors' code.

    Arguments
    ---------
    source : str or Path
        As for ``load_generator``.
    path : str or Path
        The file to write; it must not exist.
    discriminator : str or Path, optional
        Export folder of one shared discriminator, which goes into the file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UserError
        If there is no such export, or the authors' code has no such network.
    """
    from okd_brain.export.authors import write_checkpoint

    network = None
    if discriminator is not None:
        networks = export.load_discriminator(discriminator)
        if len(networks) != 1:
            raise UserError(
                f"{discriminator} holds {len(networks)} separate "
                "discriminators, but the authors' code has one with several "
                "heads (discriminator: shared)."
            )
        network = networks[0][0]
    write_checkpoint(
        path,
        generator=export.load_generator(source),
        discriminator=network,
        # A published MetricGAN+ states no epoch.
        epoch=int(export.read_details(source).get("epoch") or 0),
    )
    return Path(path)


def _import_from_authors(arguments):
    if (arguments.discriminator is None) != (arguments.heads is None):
        raise UserError(
            "--discriminator and --heads go together: the folder to write "
            "and what the outputs stand for."
        )
    from okd_brain.export.authors import AuthorsCheckpoint
    from okd_brain.metrics import parse_targets

    checkpoint = AuthorsCheckpoint(arguments.source)
    discriminator = None
    if arguments.discriminator is not None:
        try:
            parse_targets([arguments.heads])  # known metrics, each once
        except ValueError as error:
            raise UserError(f"--heads: {error}") from error
        discriminator = checkpoint.discriminator()
        outputs = discriminator.linears[-1].out_features
        if outputs != len(arguments.heads):
            raise UserError(
                f"The discriminator of {arguments.source} has {outputs} "
                f"outputs, but --heads names {len(arguments.heads)}: "
                f"{' '.join(arguments.heads)}."
            )
    folder = import_checkpoint(
        checkpoint, arguments.output, name=arguments.name
    )
    kind = "causal" if checkpoint.generator.causal else "not causal"
    logger.info(f"{folder}: generator, {kind}. Try okd-enhance {folder}")
    if discriminator is not None:
        folder = export.export_discriminator(
            [discriminator], arguments.discriminator, heads=[arguments.heads]
        )
        logger.info(
            f"{folder}: discriminator of {' and '.join(arguments.heads)}"
        )


def _export_to_authors(arguments):
    for option in ("heads", "name"):
        if getattr(arguments, option) is not None:
            raise UserError(
                f"--{option} has no place in the authors' files: leave it out."
            )
    path = export_for_authors(
        arguments.source,
        arguments.output,
        discriminator=arguments.discriminator,
    )
    logger.info(f"{path}: checkpoint for the authors' inference.py")


def main(argv=None):
    """Run ``okd-import``.

    Arguments
    ---------
    argv : list of str, optional
        Command line without the program's name; that of the process if None.

    Returns
    -------
    int
        Exit status: 0, or 2 for a wrong command or source.
    """
    parser = cli.make_parser(
        prog="okd-import", description=DESCRIPTION, epilog=EPILOG
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="checkpoint file (.pth); with --to-authors an export folder or "
        "the id of a hub model",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUTPUT",
        required=True,
        help="folder to write; with --to-authors the file",
    )
    parser.add_argument(
        "--name",
        help="of the generator, in its description (default: OUTPUT's name)",
    )
    parser.add_argument(
        "--discriminator",
        metavar="FOLDER",
        help="folder to write the discriminator to; with --to-authors, folder "
        "to read it from",
    )
    parser.add_argument(
        "--heads",
        metavar="METRIC",
        nargs="+",
        help="what the discriminator's outputs stand for, e.g. pesq csig",
    )
    parser.add_argument(
        "--to-authors",
        action="store_true",
        help="the other way: write a checkpoint for the authors' code",
    )
    arguments = parser.parse_args(argv)
    logging.basicConfig(format="%(levelname)s: %(message)s")
    logging.getLogger("okd_brain").setLevel(logging.INFO)
    convert = (
        _export_to_authors if arguments.to_authors else _import_from_authors
    )
    return cli.run(convert, arguments)


if __name__ == "__main__":
    sys.exit(main())
