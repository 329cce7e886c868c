"""A run for tests of analyses: built again, described, and left as it is."""

from experiments import RECIPE, load_hparams, make_brain
from hyperpyyaml import resolve_references

from okd_brain.config import read_experiment

STAGES = ("--warmup_epochs=1", "--discriminator_epochs=1")
KEEP = ("--checkpoints_to_keep=1000", "--alpha=5.0")


def rebuild(folder, *overrides):
    """Return the brain of a run, untrained unless it is fitted or recovered."""
    return make_brain(folder, *STAGES, *KEEP, *overrides)


def contents(folder):
    """Return all files of a folder and what is in them, but for the cache."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path: path.read_bytes()
        for path in files
        if path.parent.name != "score_cache"
    }


def describe(folder, output_folder, *overrides):
    """Write the hyperparams.yaml of a run, as SpeechBrain does."""
    hparams = load_hparams(output_folder, *overrides)
    argv = [
        str(RECIPE / "hparams" / "okd_pesq_csig.yaml"),
        f"--output_folder={output_folder}",
        "--data_folder=unused",
        f"--targets={hparams['targets']}",
        "--alpha=5.0",
    ]
    text = resolve_references(read_experiment(argv).yaml)
    (folder / "hyperparams.yaml").write_text(text.read())
