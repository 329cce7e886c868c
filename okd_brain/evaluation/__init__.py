"""Compare models, checkpoints and folders of files; score files."""
