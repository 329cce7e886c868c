"""Make a corpus of pairs that a table lists, wherever the files are.

    python examples/own_corpus.py pairs.csv corpus
    okd-train okd_pesq_csig --data_folder corpus

The table has the columns clean, noisy, speaker and split ("train" or "test"),
and paths relative to it. The corpus is a folder of links in the layout of the
authors' code, with a sub-folder for each speaker; what is checked of every other
corpus is checked of it.
"""

import csv
import sys
from pathlib import Path


def make_corpus(table, folder):
    """Link the files of a table into a corpus; return the number of pairs."""
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        for kind in ("clean", "noisy"):
            source = Path(table).parent / row[kind]
            place = Path(folder, row["split"], kind, row["speaker"])
            place.mkdir(parents=True, exist_ok=True)
            link = place / f"{number:06}{source.suffix}"
            link.symlink_to(source.resolve())
    return len(rows)


if __name__ == "__main__":
    print(make_corpus(*sys.argv[1:]), "pairs")
