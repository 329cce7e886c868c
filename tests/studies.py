"""A recipe in miniature: its train.py writes what it is told to have scored."""

from okd_brain.studies import parse_overrides, plan_runs, read_study

TRAIN = """
import json, pathlib, sys, time

options = dict(token[2:].split("=", 1) for token in sys.argv[2:] if "=" in token)
folder = pathlib.Path(options["output_folder"])
assert sys.argv[-1] == "--noprogressbar" or "device" in options
with open(folder.parent.parent / "order.txt", "a") as order:
    print(pathlib.Path(sys.argv[1]).stem, options["seed"], options.get("device"), file=order)
if "pretrained" in options:
    assert pathlib.Path(options["pretrained"]).is_dir(), options["pretrained"]
time.sleep(float(options.get("seconds", 0)))
if options.get("breaks") == options["seed"]:
    sys.exit("It broke, as told.")
score = float(options.get("score", 0)) + float(options["seed"]) / 10
(folder / "export" / "pesq").mkdir(parents=True, exist_ok=True)
(folder / "results.json").write_text(json.dumps({
    "corpus": "tiny", "split": "test",
    "systems": {"noisy": {"pesq": 1.0, "csig": None},
                "pesq@warmup": {"pesq": 0.0, "csig": 0.0},
                "pesq": {"pesq": score, "csig": 2.0}},
    "checkpoints": {"pesq@warmup": {}, "pesq": {}},
}))
"""

EXPERIMENT = """
seed: 1
output_folder: results
schedule: null
data_folder: null
pretrained: null
score: 0 # what it will have scored
breaks: null
seconds: 0
alpha: 5.0
"""

STUDY = """
metrics: [pesq, csig]
options: {data_folder: /corpus}
preparations:
    warm:
        experiment: first
methods:
    first:
        options: {pretrained: "{warm}/export/pesq", score: 1.0}
        paper: {pesq: {pesq: 3.24}}
    second:
        options: {score: 2}
"""


def write_recipe(folder):
    """Write the recipe, with the experiments first and second, and a study.

    Returns
    -------
    Path
        The study's YAML.
    """
    hparams = folder / "hparams"
    hparams.mkdir(parents=True)
    (folder / "train.py").write_text(TRAIN)
    (hparams / "first.yaml").write_text(EXPERIMENT)
    (hparams / "second.yaml").write_text("base: first.yaml\nalpha: 1.0\n")
    study = folder / "tiny.yaml"
    study.write_text(STUDY)
    return study


def plan_tiny(folder, *tokens, seeds=(1,)):
    """Plan the runs of the study in a folder of `write_recipe`."""
    study = read_study(folder / "tiny.yaml", folder / "hparams")
    return plan_runs(study, seeds, parse_overrides(tokens), folder / "out")
