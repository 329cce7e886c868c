"""Pictures of a training; matplotlib comes with the extra ``plots``."""


def draw_curves(rows, path):
    """Draw each metric over the epochs, validation above test.

    Arguments
    ---------
    rows : list of dict
        ``epoch``, ``stage``, ``split``, ``system``, and a value per metric.
    path : str or Path
        The picture to write; its suffix says of which kind.

    Raises
    ------
    ModuleNotFoundError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Pictures need matplotlib: pip install 'okd[plots]'"
        ) from error
    described = ("epoch", "stage", "split", "system")
    metrics = [key for key in rows[0] if key not in described]
    splits = list(dict.fromkeys(row["split"] for row in rows))
    figure = Figure(figsize=(4 * len(metrics), 3 * len(splits)))
    axes = figure.subplots(len(splits), len(metrics), squeeze=False)
    for split, line in zip(splits, axes, strict=True):
        for metric, axis in zip(metrics, line, strict=True):
            for system in dict.fromkeys(row["system"] for row in rows):
                points = [
                    (row["epoch"], row[metric])
                    for row in rows
                    if (row["split"], row["system"]) == (split, system)
                ]
                axis.plot(*zip(*points, strict=True), "o-", label=system)
            axis.set(title=f"{metric}, {split}", xlabel="epoch")
    axes[0, 0].legend()
    figure.tight_layout()
    figure.savefig(path)
