"""Mixtures as files, for other programs and for `evaluate.py`."""

from pathlib import Path

import soundfile
from speechbrain.utils.logger import get_logger

from okd_brain.corpora.manifests import below, read_entries, write_json
from okd_brain.corpora.mixtures import FIELDS, make_mixture_dataset
from okd_brain.signals import SAMPLE_RATE

logger = get_logger(__name__)

SIGNALS = {"clean": "clean_sig", "noise": "noise_sig", "noisy": "noisy_sig"}


def write_mixtures(manifests, roots, folder, *, loop=False):
    """Write the mixtures of all splits and let the manifests name the files.

    The files are 32-bit float WAV: `make_mixture_dataset` reads from them what
    it would have mixed, and a sum beyond full scale (their number is logged) is
    not clipped.

    Arguments
    ---------
    manifests : dict
        Split -> manifest of mixtures; replaced by one that names the files, in
        which ``noisy_wav`` is the mixture, so that
        `okd_brain.corpora.manifests.make_dataset` reads it as well.
    roots : dict
        "data_root" and "noise_root".
    folder : Path
        Receives ``<split>/clean``, ``<split>/noise`` and ``<split>/noisy``, and
        is both roots of the new manifests: a corpus in the layout of the
        authors' code.  ``<split>/log_<split>.txt`` names the noise and the SNR
        of each mixture, as the logs of VoiceBank-DEMAND do.
    loop : bool
        Repeat noise that is shorter than its speech.
    """
    for split, manifest in manifests.items():
        # Once the manifest names the files, their sources are read no more.
        entries = read_entries(manifest, FIELDS, **roots)
        beyond = 0
        for name in SIGNALS:
            Path(folder, split, name).mkdir(parents=True, exist_ok=True)
        for item in make_mixture_dataset(manifest, **roots, loop=loop):
            for name, signal in SIGNALS.items():
                path = f"{split}/{name}/{item['id']}.wav"
                soundfile.write(
                    Path(folder, path),
                    item[signal].numpy(),
                    SAMPLE_RATE,
                    subtype="FLOAT",
                )
                entries[item["id"]][f"{name}_wav"] = below("data_root", path)
            entries[item["id"]]["noise_start"] = 0
            beyond += bool(item["noisy_sig"].abs().max() > 1)
        Path(folder, split, f"log_{split}.txt").write_text(
            "".join(
                f"{name} {entry['noise']} {entry['snr_db']:g}\n"
                for name, entry in entries.items()
            ),
            encoding="utf-8",
        )
        write_json(manifest, entries)
        logger.info(
            "%s: wrote %d mixtures to %s; %d exceed full scale (float files "
            "hold that; a lower level_dbfs avoids it)",
            split,
            len(entries),
            folder,
            beyond,
        )
