"""The scores of the metrics table as functions of a ``Pair``.

Composite scores: Hu and Loizou, IEEE TASLP 16(1), 2008, with the wide-band PESQ
in the place of the narrow-band one on which they were fitted, as in every
table of results on VoiceBank-DEMAND.
"""

from okd_brain.measures.distortion import si_sdr_db
from okd_brain.measures.intelligibility import stoi as stoi_of
from okd_brain.measures.optional import visqol as visqol_of

OPINION_RANGE = (1.0, 5.0)  # of a mean opinion score


def pesq(pair):
    """Wide-band PESQ, MOS-LQO."""
    return pair.pesq


def csig(pair):
    """Composite opinion of the speech signal alone, 1 to 5."""
    llr, wss = pair.distances.llr, pair.distances.wss
    return _opinion(3.093 - 1.029 * llr + 0.603 * pair.pesq - 0.009 * wss)


def cbak(pair):
    """Composite opinion of the background noise, 1 to 5."""
    wss, segsnr_db = pair.distances.wss, pair.distances.segsnr_db
    return _opinion(1.634 + 0.478 * pair.pesq - 0.007 * wss + 0.063 * segsnr_db)


def covl(pair):
    """Composite opinion of the overall quality, 1 to 5."""
    llr, wss = pair.distances.llr, pair.distances.wss
    return _opinion(1.594 + 0.805 * pair.pesq - 0.512 * llr - 0.007 * wss)


def segsnr(pair):
    """Segmental SNR in dB, -10 to 35."""
    return pair.distances.segsnr_db


def stoi(pair):
    """Short-time objective intelligibility, up to 1."""
    return stoi_of(reference=pair.reference, degraded=pair.degraded)


def estoi(pair):
    """Extended short-time objective intelligibility, up to 1."""
    return stoi_of(
        reference=pair.reference, degraded=pair.degraded, extended=True
    )


def si_sdr(pair):
    """Scale-invariant signal-to-distortion ratio in dB, at least -30."""
    return si_sdr_db(reference=pair.reference, degraded=pair.degraded)


def siib(pair):
    """SIIB^Gauss in bits per second, 0 to 1335.8."""
    return pair.halves.siib.score(pair.degraded)


def haspi(pair):
    """HASPI version 2 for normal hearing, 0 to 1."""
    return pair.halves.haspi.score(pair.degraded)


def haspi_linear(pair):
    """HASPI as NELE-GAN and MetricGAN-OKD report it, 0 to 11.467."""
    return pair.halves.haspi_linear.score(pair.degraded)


def dnsmos_ovrl(pair):
    """DNSMOS P.835, opinion of the overall quality."""
    return pair.dnsmos["ovrl"]


def dnsmos_sig(pair):
    """DNSMOS P.835, opinion of the speech signal."""
    return pair.dnsmos["sig"]


def dnsmos_bak(pair):
    """DNSMOS P.835, opinion of the background noise."""
    return pair.dnsmos["bak"]


def dnsmos_p808(pair):
    """DNSMOS P.808, opinion of the quality."""
    return pair.dnsmos["p808"]


def visqol(pair):
    """ViSQOL, speech mode, lattice mapper."""
    return visqol_of(reference=pair.reference, degraded=pair.degraded)


def _opinion(value):
    lowest, highest = OPINION_RANGE
    return min(max(value, lowest), highest)
