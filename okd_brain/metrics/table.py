"""The table of metrics.

``METRICS`` holds one record per metric. A new one is one entry here (and a file
in ``okd_brain.measures`` if its algorithm is new), or a ``Metric`` of the
user's own wherever a name is accepted.

The training labels of PESQ and of the composite scores are those of the
MetricGAN-OKD authors' code. Under the logistic PESQ label a perfect 4.644 is
0.961, yet the label of clean speech is 1 for every metric, as in that code.
That of ESTOI suits speech enhancement; speech in loud noise needs another
(``with_curve``).

Where a listener is in noise, intelligibility (STOI, ESTOI, SIIB, HASPI) is
judged by what reaches the ear, noise included, and quality by what the device
plays; elsewhere these are one signal.
"""

from dataclasses import dataclass, replace
from importlib import import_module
from importlib.metadata import version

from okd_brain.measures import (
    SEGMENTAL_SNR_RANGE_DB,
    check_installed,
    haspi,
    scores,
    siib,
    wideband_pesq,
)
from okd_brain.messages import UserError, offer
from okd_brain.metrics.record import Linear, Logistic, Metric, PairScore

_PESQ_VERSION = f"1 pesq {version('pesq')}"
_STOI_VERSION = f"1 pystoi {version('pystoi')}"
_DNSMOS_SOURCE = "Reddy et al., ICASSP 2021 and 2022; speechmos"
_COMPOSITE_SOURCE = "Hu and Loizou, IEEE TASLP 16(1), 2008; wide-band PESQ"


@dataclass(frozen=True)
class _Twin:
    """Make a twin; torch is imported then, since workers read the table."""

    module: str
    kind: str
    options: tuple = ()  # (name, value)

    def __call__(self, sample_rate):
        twins = import_module(f"okd_brain.measures.twins.{self.module}")
        return getattr(twins, self.kind)(sample_rate, **dict(self.options))


@dataclass(frozen=True)
class _TiledSIIB:
    """Score a pair, tiled; workers receive it, and two may be compared."""

    tile_seconds: float

    def __call__(self, pair):
        return scores.siib(pair, self.tile_seconds)


def _composite(name, function):
    lowest, highest = scores.OPINION_RANGE
    return Metric(
        name,
        PairScore(function),
        floor=lowest,
        perfect=highest,
        hears="device",
        version=_PESQ_VERSION,
        source=_COMPOSITE_SOURCE,
        twin=_Twin("composite", f"{name.upper()}Twin"),
    )


def _stoi(name, function, source):
    # Correlations a little below 0 occur and are reported; their label is 0.
    return Metric(
        name,
        PairScore(function),
        floor=0.0,
        perfect=1.0,
        min_seconds=0.4,
        version=_STOI_VERSION,
        source=source,
        twin=_Twin("stoi", f"{name.upper()}Twin"),
    )


def _dnsmos(name, function):
    lowest, highest = scores.OPINION_RANGE
    return Metric(
        name,
        PairScore(function),
        floor=lowest,
        perfect=None,  # judges without a reference
        curve=Linear(zero=lowest, one=highest),
        hears="device",
        needs_reference=False,
        version="1 speechmos 0.0.1",
        source=_DNSMOS_SOURCE,
        extra="dnsmos",
    )


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "pesq",
            PairScore(scores.pesq),
            floor=wideband_pesq.WORST,
            perfect=wideband_pesq.PERFECT,
            curve=Logistic(slope=1.5, midpoint=2.5),
            hears="device",
            version=_PESQ_VERSION,
            source="ITU-T P.862.2 (2007); label: MetricGAN-OKD's code",
            twin=_Twin("pesq", "PESQTwin"),
        ),
        _composite("csig", scores.csig),
        _composite("cbak", scores.cbak),
        _composite("covl", scores.covl),
        Metric(
            "segsnr",
            PairScore(scores.segsnr),
            floor=SEGMENTAL_SNR_RANGE_DB[0],
            perfect=SEGMENTAL_SNR_RANGE_DB[1],
            hears="device",
            version="1",
            source="Loizou, Speech Enhancement, 2007; as in CBAK",
            twin=_Twin("composite", "SegSNRTwin"),
        ),
        _stoi("stoi", scores.stoi, "Taal et al., IEEE TASLP 19(7), 2011"),
        _stoi(
            "estoi",
            scores.estoi,
            "Jensen and Taal, IEEE/ACM TASLP 24(11), 2016",
        ),
        Metric(
            "si_sdr",
            PairScore(scores.si_sdr),
            floor=scores.WORST_DB,
            perfect=float("inf"),
            # From hopeless to inaudible; noisy VoiceBank is around 8 dB.
            curve=Linear(zero=-10.0, one=30.0),
            hears="device",
            version="1",
            source="Le Roux et al., ICASSP 2019, eq. 3 and 4",
            twin=_Twin("si_sdr", "SISDRTwin"),
        ),
        Metric(
            "siib",
            PairScore(scores.siib),
            floor=0.0,
            perfect=siib.PERFECT,
            curve=Logistic(slope=0.06, midpoint=32.0),
            min_seconds=siib.MIN_SECONDS,
            version="1",
            source="Van Kuyk et al., IEEE/ACM TASLP 26(11), 2018; NELE-GAN's label",
            twin=_Twin("siib", "SIIBTwin"),
        ),
        Metric(
            "haspi",
            PairScore(scores.haspi),
            floor=0.0,
            perfect=haspi.HASPI_PERFECT,
            min_seconds=haspi.MIN_SECONDS,
            version="1",
            source="Kates and Arehart, Speech Communication 131, 2021",
        ),
        Metric(
            "haspi_linear",
            PairScore(scores.haspi_linear),
            floor=0.0,
            perfect=haspi.HASPI_LINEAR_PERFECT,
            curve=Logistic(slope=0.95, midpoint=2.8),
            min_seconds=haspi.MIN_SECONDS,
            version="1",
            source="Li and Yamagishi, ICASSP 2021, code; label too",
            twin=_Twin("haspi", "HASPILinearTwin"),
        ),
        _dnsmos("dnsmos_ovrl", scores.dnsmos_ovrl),
        _dnsmos("dnsmos_sig", scores.dnsmos_sig),
        _dnsmos("dnsmos_bak", scores.dnsmos_bak),
        _dnsmos("dnsmos_p808", scores.dnsmos_p808),
        Metric(
            "visqol",
            PairScore(scores.visqol),
            floor=scores.OPINION_RANGE[0],
            perfect=None,  # 4.3 to 4.6, whatever the signal allows
            curve=Linear(*scores.OPINION_RANGE),
            hears="device",
            min_seconds=0.7,  # visqol-python fails below
            version="1 visqol-python 3.8",
            source="Chinen et al., QoMEX 2020; speech mode, lattice mapper",
            extra="visqol",
        ),
    )
}


def with_curve(*, metric, curve):
    """Return a metric with another training label.

    In YAML, to train listening enhancement with the label of NELE-GAN (Li and
    Yamagishi, ICASSP 2021, code), under which a noisy ESTOI of 0.7 would already
    have 0.97:

    .. code-block:: yaml

        estoi: !apply:okd_brain.metrics.with_curve
            metric: estoi
            curve: !new:okd_brain.metrics.Logistic
                slope: 8.0
                midpoint: 0.25

    Arguments
    ---------
    metric : str or Metric
        A name of ``METRICS`` or a record.
    curve : callable
        From raw scores to labels, larger is better.

    Returns
    -------
    Metric

    Example
    -------
    >>> METRICS["estoi"].normalise(0.25)
    0.25
    >>> curve = Logistic(slope=8.0, midpoint=0.25)
    >>> estoi = with_curve(metric="estoi", curve=curve)
    >>> estoi.normalise(0.25)
    0.5
    """
    if not isinstance(metric, Metric):
        metric = look_up(metric, METRICS)
    return replace(metric, curve=curve)


def tiled_siib(tile_seconds=25):
    """Return SIIB of signals that are repeated, as NELE-GAN computes it.

    SIIB of little speech is too high; repeating it makes that less so (Li and
    Yamagishi, ICASSP 2021, code). In YAML, for figures that can be held against
    published ones of Harvard sentences:

    .. code-block:: yaml

        siib: !apply:okd_brain.metrics.tiled_siib [25]
        targets: [[!ref <siib>]]

    Arguments
    ---------
    tile_seconds : float
        Both signals are repeated as often as the active speech fits into this
        time.

    Returns
    -------
    Metric
        Named "siib", with a twin that tiles, too. Either costs about ten times
        as much as without tiling.

    Raises
    ------
    UserError
        If the seconds are no positive number.

    Example
    -------
    >>> tiled_siib(tile_seconds=25).version
    '1 tiled to 25 s'
    """
    if not isinstance(tile_seconds, (int, float)) or not tile_seconds > 0:
        raise UserError(
            f"tile_seconds is {tile_seconds!r}, must be a number of seconds "
            "above 0 (NELE-GAN: 25)."
        )
    plain = METRICS["siib"]
    return replace(
        plain,
        score=PairScore(_TiledSIIB(tile_seconds)),
        version=f"{plain.version} tiled to {tile_seconds} s",
        twin=_Twin("siib", "SIIBTwin", (("tile_seconds", tile_seconds),)),
    )


def look_up(name, known):
    """Return the record of a name.

    A UserError offers names like an unknown one; a MissingPackage says how to
    install what the metric needs.
    """
    if name not in known:
        raise UserError(f"Unknown metric {name!r}{offer(name, sorted(known))}")
    check_installed(name, known[name].extra)
    return known[name]
