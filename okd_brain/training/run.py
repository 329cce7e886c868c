"""The acts that every recipe's ``train.py`` shares: fit, report, export."""

from speechbrain.utils.checkpoints import torch_recovery
from speechbrain.utils.distributed import if_main_process, main_process_only
from speechbrain.utils.logger import get_logger

from okd_brain.distributed import bare
from okd_brain.export import export_discriminator, export_generator
from okd_brain.results import (
    break_down,
    conditions_of,
    make_results,
    results_tables,
    write_breakdown,
    write_results,
)

logger = get_logger(__name__)


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
    ValueError
        When there are no trained weights to load.
    """
    scores, origins = {}, {}
    newest = brain.checkpointer.find_checkpoint()
    stages = brain.curriculum.generator_stages
    if not stages:
        if newest is None:
            raise ValueError(
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
            brain.generators[target],
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
