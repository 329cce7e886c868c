"""The run around the algorithm, which ``okd_brain.brain`` tells.

``networks`` builds generators and discriminators, ``pretrained`` may give them
weights, ``optimizers`` steps them; ``surrogates`` says what their gradients come
from. ``curriculum`` says which stage an epoch is in and draws its excerpts;
``phases`` loads them pass by pass; the discriminator learns from the
``current_set`` and from the ``replay`` of past ones. ``evaluating`` validates,
logs and tests, ``progress`` shows where a run stands; ``fidelity`` says whether surrogates follow their metrics;
``checkpoints`` chooses the best epoch of each generator. ``run`` has the acts of a recipe's ``train.py``, which
``identity`` keeps out of the folders of other runs and ``overview`` announces;
``internals`` has all that depends on undocumented parts of SpeechBrain.

Names are imported when they are first used, so that ``train.py --help`` does not
wait for PyTorch.
"""

from okd_brain.cli import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "checkpoints": ["Selection", "StepCounter", "load_generators"],
        "current_set": ["CurrentSetMaker"],
        "curriculum": ["Curriculum"],
        "evaluating": ["EvaluatingBrain"],
        "fidelity": ["find_changes", "spread_batches", "summaries"],
        "identity": ["CORPUS_FILES", "describe_corpus"],
        "internals": ["AtomicCheckpointer"],
        "networks": ["build_modules", "discriminator_heads"],
        "optimizers": ["Optimizers", "SkippedSteps", "gradient_norms"],
        "overview": ["announce"],
        "phases": ["ExcerptReader", "Phase", "PhasedLoader"],
        "pretrained": ["start_from_pretrained"],
        "progress": ["LOG_CONFIG", "TRAIN_LOG", "EpochTable"],
        "replay": ["Replay"],
        "run": [
            "begin_run",
            "carry_out",
            "export_trained",
            "fit",
            "report_on",
            "write_samples",
        ],
    },
)
