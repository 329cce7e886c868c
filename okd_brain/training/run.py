"""The acts that every recipe's ``train.py`` shares: begin, fit, report, export."""

import ctypes
import platform
from pathlib import Path

import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.checkpoints import torch_recovery
from speechbrain.utils.distributed import (
    if_main_process,
    main_process_only,
)
from speechbrain.utils.logger import get_logger

from okd_brain.distributed import bare, end_distributed_run
from okd_brain.export import (
    export_discriminator,
    export_generator,
    save_weights,
)
from okd_brain.files import replacing
from okd_brain.generators import GENERATORS
from okd_brain.messages import UserError, check_switch, is_whole
from okd_brain.metrics import resolve_metrics
from okd_brain.results import (
    SampleFolder,
    break_down,
    check_samples,
    choose,
    conditions_of,
    gains,
    make_results,
    results_tables,
    write_breakdown,
    write_results,
)
from okd_brain.survival import (
    ToldToEnd,
    disown_all,
    heed_signals,
    ignore_signals,
)
from okd_brain.training.boards import check_boards
from okd_brain.training.checkpoints import Averages, Selection, ends_epoch
from okd_brain.training.identity import FOLDERS, RunFolder
from okd_brain.training.internals import refuse_unsupported_options
from okd_brain.training.networks import plan_networks

logger = get_logger(__name__)

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h


def carry_out(run, *arguments):
    """Run to the end, or until a signal tells this process to end.

    Then the output folder is free, and processes that train together have
    parted.

    Arguments
    ---------
    run : callable
        The acts of a recipe; the brain has to be gone when it returns.
    *arguments : object
        Passed to it.

    Raises
    ------
    ToldToEnd
        On SIGTERM, SIGUSR1 or SIGUSR2; within an epoch, after the step, which is
        then in a checkpoint.
    """
    told, together = None, True
    heed_signals()
    try:
        run(*arguments)
    except ToldToEnd as error:
        told, together = str(error), error.together
    finally:
        ignore_signals()
        disown_all()
    if together:  # else the others know nothing of it
        end_distributed_run()
    if told is not None:
        raise ToldToEnd(told, together)


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
        If an option is not what it must be, this machine lacks something, or
        the folder holds another run.
    """
    refuse_unsupported_options(experiment.run_opts)
    check_device(experiment.run_opts.device)
    check_boards(*experiment.resolved("use_tensorboard", "use_wandb"))
    check_switch("overwrite", *experiment.resolved("overwrite"))
    check_samples("samples", *experiment.resolved("samples", "output_folder"))
    for key in FOLDERS:
        check_folder(key, *experiment.resolved(key))
    keep_freed_memory()
    with experiment.loaded("checkpointer") as (hparams, _):  # makes a folder
        check_hparams(hparams)
    folder = RunFolder(experiment)
    folder.claim()
    return folder


def check_hparams(hparams):
    """Refuse what the networks and the brain would refuse later.

    Arguments
    ---------
    hparams : dict
        The experiment, loaded.

    Raises
    ------
    UserError
        Naming the option, its value, and what would be accepted.
    """
    targets, *_ = plan_networks(hparams)
    Selection(targets, hparams["selection"])
    Averages({}, hparams["average_decay"])
    resolve_metrics(hparams["report_metrics"])
    weights = ("adversarial_weight", "supervised_weight")
    has_any = any(hparams[key] for key in weights)
    kept = hparams["checkpoints_to_keep"]
    if not is_whole(kept, 1):
        raise UserError(
            f"checkpoints_to_keep is {kept!r}, must be a whole number of at least "
            "1: without one, nothing could be tested or go on."
        )
    if hparams["curriculum"].number_of_epochs and not has_any:
        raise UserError(
            f"{' and '.join(weights)} are both 0: the generators would learn "
            "from each other alone. One of them must be above 0."
        )


def keep_freed_memory():
    """Let the C library keep what was freed for what comes next.

    glibc returns blocks of more than 32 MB, and what is free at the top of the
    heap, to the system, which then hands out every page again, zeroed: a
    quarter to a third of the time of a composite twin, 3 % of a step of D
    (benchmarks/README.md). The peak of memory stays the same. Other C libraries
    are left as they are.
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        for parameter in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            libc.mallopt(parameter, 2**31 - 1)


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
    brain.fidelity_set = datasets["valid"]
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
    newest = brain.checkpointer.find_checkpoint(ckpt_predicate=ends_epoch)
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
def write_samples(brain, dataset):
    """Write some utterances of the test as files: ``results.samples``.

    Only the main process does.

    Arguments
    ---------
    brain : OKDBrain
        After ``report_on`` of the test: its generators hold their best weights.
        ``samples`` of its experiment says how many utterances; a third of them
        has gained most in what was learnt, a third least.
    dataset : DynamicItemDataset
        The test set.
    """
    task, names = brain.task, [target.name for target in brain.targets]
    scores = {
        system: brain.test_scores[system]
        for system in (task.unprocessed, *names)
    }
    learnt = {metric.name: metric.higher_is_better for metric in brain.learnt}
    gained = gains(scores, task.unprocessed, learnt)
    chosen = choose(gained, brain.hparams.samples, brain.hparams.seed)
    folder = SampleFolder(brain.artifacts_folder, task.sample_rate, chosen)
    index = {key: i for i, key in enumerate(dataset.data_ids)}
    for utterance in chosen:
        batch = PaddedBatch([dataset[index[utterance]]]).to(brain.device)
        folder.add(utterance, brain.heard(batch))
    folder.close()


@main_process_only
def export_trained(brain, *, corpus, results):
    """Export every generator, and the discriminator if it has learnt.

    Only the main process does.

    Arguments
    ---------
    brain : OKDBrain
        After ``report_on``: its generators hold their best weights. The folder
        ``export`` beside its results receives a folder per generator, and
        "discriminator" with the newest discriminators, for fine-tuning. Of a
        generator whose class exports cannot name it receives the weights alone,
        ``<target>.ckpt``.
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
        generator = brain.generators[target]
        if type(generator) in GENERATORS.values():
            export_generator(
                generator,
                folder / target.name,
                name=target.name,
                details=details,
            )
            continue
        folder.mkdir(parents=True, exist_ok=True)
        weights = folder / f"{target.name}.ckpt"
        with replacing(weights) as partial:
            save_weights(generator, partial)
        logger.warning(
            "%s holds the weights of %s alone: an export folder names no class "
            "but okd's own, so that other programs can load it.",
            weights,
            type(generator).__name__,
        )
    newest = brain.checkpointer.find_checkpoint(ckpt_predicate=ends_epoch)
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
    logger.info(
        "Exported to %s; the README.md of a folder says how to use it", folder
    )
