"""The acts that every recipe's ``train.py`` shares: begin, fit, report, export."""

from importlib.util import find_spec
from pathlib import Path

import torch
from speechbrain.utils.checkpoints import torch_recovery
from speechbrain.utils.distributed import (
    if_main_process,
    main_process_only,
)
from speechbrain.utils.logger import get_logger

from okd_brain.distributed import bare, begin_distributed_run
from okd_brain.export import export_discriminator, export_generator
from okd_brain.messages import UserError, check_switch
from okd_brain.results import (
    break_down,
    conditions_of,
    make_results,
    results_tables,
    write_breakdown,
    write_results,
)
from okd_brain.training.evaluating import refuse_unsupported_options
from okd_brain.training.identity import FOLDERS, RunFolder

logger = get_logger(__name__)


def begin_run(experiment):
    """Check what an experiment needs here, and claim its output folder.

    Arguments
    ---------
    experiment : Experiment
        From ``read_experiment``.

    Returns
    -------
    RunFolder

    Raises
    ------
    UserError
        If okd does not support an option, this machine lacks something, or the
        folder holds another run.
    """
    refuse_unsupported_options(experiment.run_opts)
    check_device(experiment.run_opts.device)
    check_options(*experiment.resolved("use_tensorboard", "overwrite"))
    for key in FOLDERS:
        check_folder(key, *experiment.resolved(key))
    begin_distributed_run(experiment.run_opts)
    folder = RunFolder(experiment)
    folder.claim()
    return folder


def check_device(name):
    """Refuse a device that PyTorch does not have here.

    Arguments
    ---------
    name : str or None
        Such as "cuda:0"; None is always there.

    Raises
    ------
    UserError
        Saying what there is.
    """
    try:
        torch.zeros(1, device=name)  # None: the CPU
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        there = ["cpu"]
        there += [f"cuda:{n}" for n in range(torch.cuda.device_count())]
        raise UserError(
            f"--device {name} does not work here: {reason}. PyTorch "
            f"{torch.__version__} sees {', '.join(there)}."
        ) from error


def check_folder(key, path):
    """Refuse a folder that is not there.

    Arguments
    ---------
    key : str
        The option that names it.
    path : str or None
        Its value.

    Raises
    ------
    UserError
        Naming both.
    """
    if path is not None and not Path(path).is_dir():
        what = "is not a folder" if Path(path).exists() else "does not exist"
        raise UserError(f"--{key} {path} {what}.")


def check_options(use_tensorboard, overwrite):
    """Refuse switches that are none, and TensorBoard where it is missing.

    Arguments
    ---------
    use_tensorboard : bool
        Whether curves go to TensorBoard.
    overwrite : bool
        Whether another run may move aside.

    Raises
    ------
    UserError
        Naming the option.
    """
    check_switch("use_tensorboard", use_tensorboard)
    check_switch("overwrite", overwrite)
    if use_tensorboard and find_spec("tensorboard") is None:
        raise UserError(
            "--use_tensorboard True needs the package tensorboard, which is "
            "not installed: pip install 'okd[tensorboard]', or leave the "
            "option out."
        )


def fit(brain, datasets):
    """Train, from the newest checkpoint on where there is one.

    Arguments
    ---------
    brain : OKDBrain
        Trains.
    datasets : dict
        "train", "valid" and "test" to a dataset with what the task needs.
        Checkpoints are chosen on the one that ``selection`` names.
    """
    hparams, chosen_on = brain.hparams, brain.selection.split
    if chosen_on == "test":
        logger.warning(
            "selection: test. Checkpoints are chosen on the test set, as in the "
            "published protocol, so that its figures are optimistic; every "
            "table says so."
        )
    brain.fit(
        hparams.epoch_counter,
        datasets["train"],
        datasets[chosen_on],
        train_loader_kwargs=hparams.train_dataloader_opts,
        valid_loader_kwargs=hparams.valid_dataloader_opts,
    )


def report_on(brain, dataset, *, corpus, split):
    """Score the best generators on a set, and the unprocessed input with them.

    After a supervised warm-up, its best generators are rows of their own,
    ``<generator>@warmup``: what it reached is not MetricGAN-OKD's merit. In a
    warm start, which has no later stage, they are the generators; where only
    the discriminator learnt, the generators are as they came from
    ``pretrained``.

    Arguments
    ---------
    brain : OKDBrain
        After ``fit``, or with a checkpointer that has trained weights. Its
        generators hold their best weights afterwards, and its
        ``artifacts_folder`` the files of ``results.write_results``.
    dataset : DynamicItemDataset
        What they enhance.
    corpus : str
        Name of the corpus.
    split : str
        "test" or "valid".

    Returns
    -------
    dict
        As from ``results.make_results``; the same on every process.

    Raises
    ------
    UserError
        When there are no trained weights to load.
    """
    scores, origins = {}, {}
    newest = brain.checkpointer.find_checkpoint()
    stages = brain.curriculum.generator_stages
    if not stages:
        if newest is None:
            raise UserError(
                f"{brain.checkpointer.checkpoints_dir} holds no checkpoint: train "
                "before testing, or name the output_folder of a trained run."
            )
        stages = [newest]
    for stage in stages:
        stage_scores, stage_origins = brain.test(
            dataset, stage, brain.hparams.test_dataloader_opts
        )
        suffix = "" if stage == stages[-1] else f"@{stage}"
        for name, by_utterance in stage_scores.items():
            if name in stage_origins:
                scores[name + suffix] = by_utterance
                origins[name + suffix] = stage_origins[name]
            else:  # no generator: the same in every stage
                scores.setdefault(name, by_utterance)
    results = make_results(
        corpus=corpus, split=split, scores=scores, origins=origins
    )
    utterances = list(scores[brain.task.unprocessed])
    breakdown = break_down(scores, conditions_of(dataset.data, utterances))
    if if_main_process():
        if breakdown:
            path = brain.artifacts_folder / f"breakdown_{split}.json"
            write_breakdown(path, breakdown, results)
        write_results(brain.artifacts_folder, results, scores)
    # All processes: SpeechBrain's logger broadcasts from the main one.
    for system, means in results["systems"].items():
        origin = origins.get(system, {})
        brain.hparams.train_logger.log_stats(
            {
                "system": system,
                "epoch loaded": origin.get("epoch", "none"),
                "chosen on": origin.get("chosen_on", "none"),
                "corpus": corpus,
            },
            **{f"{split}_stats": means},
        )
    logger.info("Results\n\n%s\n", results_tables(results, breakdown))
    return results


@main_process_only
def export_trained(brain, *, corpus, results):
    """Export every generator, and the discriminator if it has learnt.

    Only the main process does.

    Arguments
    ---------
    brain : OKDBrain
        After ``report_on``: its generators hold their best weights. The folder
        ``export`` beside its results receives a folder per generator, and
        "discriminator" with the newest discriminators, for fine-tuning.
    corpus : str
        Name of the corpus.
    results : dict
        Of validation, from ``report_on``; they go into the description.
    """
    folder = brain.artifacts_folder / "export"
    for target in brain.targets:
        details = {
            **brain.task.description,
            "target": target.name,
            "seed": brain.hparams.seed,
            "corpus": corpus,
            "validation": results["systems"][target.name],
            **results["checkpoints"][target.name],
        }
        export_generator(
            brain.generator(target),
            folder / target.name,
            name=target.name,
            details=details,
        )
    newest = brain.checkpointer.find_checkpoint()
    if newest.meta["steps"].keys() & brain.discriminator_heads.keys():
        networks = []
        for name in brain.discriminator_heads:
            network = bare(brain.modules[name])
            torch_recovery(network, newest.paramfiles[name], True)
            networks.append(network)
        export_discriminator(
            networks,
            folder / "discriminator",
            heads=[
                [head.name for head in own]
                for own in brain.discriminator_heads.values()
            ],
        )
    first = folder / brain.targets[0].name
    logger.info("Exported to %s; how to use: %s/README.md", folder, first)
