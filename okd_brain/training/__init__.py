"""The run around the algorithm: epochs, replay, checkpoints, evaluation."""
