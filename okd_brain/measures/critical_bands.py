"""Critical bands, spectral slopes and Klatt's weights, for WSS.

D. H. Klatt, "Prediction of perceived phonetic distance from critical-band
spectra", ICASSP 1982, in the form of Loizou's wss.m (Speech Enhancement, 2007).
"""

from typing import NamedTuple

import numpy as np

BAND_CENTRE_HZ = np.array(
    [50.0, 120.0, 190.0, 260.0, 330.0, 400.0, 470.0, 540.0, 617.372]
    + [703.378, 798.717, 904.128, 1020.38, 1148.30, 1288.72, 1442.54]
    + [1610.70, 1794.16, 1993.93, 2211.08, 2446.71, 2701.97, 2978.04]
    + [3276.17, 3597.63]
)
BAND_WIDTH_HZ = np.array(
    [70.0, 70.0, 70.0, 70.0, 70.0, 70.0, 70.0, 77.3724, 86.0056, 95.3398]
    + [105.411, 116.256, 127.914, 140.423, 153.823, 168.154, 183.457]
    + [199.776, 217.153, 235.631, 255.255, 276.072, 298.126, 321.465]
    + [346.136]
)
BANDS = len(BAND_CENTRE_HZ)
BAND_CUTOFF = np.exp(-30.0 / (2 * 2.303))  # filter taps under -30 dB are 0
GLOBAL_PEAK_DB = 20.0  # Klatt's weight of the distance to the largest band
LOCAL_PEAK_DB = 1.0  # Klatt's weight of the distance to the nearest peak


class BandSlopes(NamedTuple):
    """The half of WSS that one signal gives.

    Arguments
    ---------
    slope : np.ndarray [24, frames]
        In dB, from one band to the next.
    weight : np.ndarray [24, frames]
        Within (0, 1], large near the peaks of the spectrum.
    """

    slope: np.ndarray
    weight: np.ndarray


def band_filters(bins, highest_hz):
    """Gaussian filters of equal sum over a power spectrum.

    Arguments
    ---------
    bins : int
        Number of frequencies below the highest one.
    highest_hz : float
        Half the sample rate.

    Returns
    -------
    np.ndarray [25, bins]
    """
    bins_per_hz = bins / highest_hz
    centre = np.floor(BAND_CENTRE_HZ * bins_per_hz)[:, None]
    width = (BAND_WIDTH_HZ * bins_per_hz)[:, None]
    gain = np.log(BAND_WIDTH_HZ[0] / BAND_WIDTH_HZ)[:, None]
    filters = np.exp(-11 * ((np.arange(bins) - centre) / width) ** 2 + gain)
    filters[filters <= BAND_CUTOFF] = 0.0
    return filters


def band_slopes(band_db):
    """Spectral slopes and Klatt's weights of one signal's frames.

    Arguments
    ---------
    band_db : np.ndarray [25, frames]

    Returns
    -------
    BandSlopes
    """
    bands = len(band_db)
    level, slope = band_db[:-1], np.diff(band_db, axis=0)
    # The nearest peak of a rising band is where the rise ends, of a falling
    # band where the fall begins. As in wss.m, a rise ends at the last band
    # that still rises: one before the true peak.
    index = np.arange(bands - 1)[:, None]
    rise_end = np.where(slope > 0, bands - 1, index)[::-1]
    rise_end = np.minimum.accumulate(rise_end, axis=0)[::-1] - 1
    fall_start = np.where(slope > 0, index, -1)
    fall_start = np.maximum.accumulate(fall_start, axis=0) + 1
    nearest = np.where(slope > 0, rise_end, fall_start)
    peak = np.take_along_axis(band_db, nearest, axis=0)
    weight = GLOBAL_PEAK_DB / (GLOBAL_PEAK_DB + band_db.max(axis=0) - level)
    weight *= LOCAL_PEAK_DB / (LOCAL_PEAK_DB + peak - level)
    return BandSlopes(slope, weight)
