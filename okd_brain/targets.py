"""What a generator optimises: terms, each one head of a discriminator."""

from dataclasses import dataclass

import numpy as np

from okd_brain.metric_record import Metric


@dataclass(frozen=True)
class Term:
    """One head of a discriminator: a metric, or the mean of several.

    Arguments
    ---------
    name : str
        Names of the metrics joined by "+".
    metrics : tuple of Metric
        At least one.
    """

    name: str
    metrics: tuple[Metric, ...]

    def label(self, raw):
        """The training label of raw scores.

        Arguments
        ---------
        raw : Mapping from metric name to float or np.ndarray
            May hold other metrics as well.

        Returns
        -------
        float or np.ndarray
            Mean of the normalised scores, within [0, 1], shaped like them.
        """
        labels = [m.normalise(raw[m.name]) for m in self.metrics]
        return sum(labels) / len(labels)

    @property
    def clean_label(self):
        """The label of the reference itself."""
        labels = [metric.clean_label for metric in self.metrics]
        return sum(labels) / len(labels)


@dataclass(frozen=True)
class Target:
    """What one generator optimises.

    Arguments
    ---------
    name : str
        Names the generator: the terms joined by "_", equal ones numbered.
    terms : tuple of Term
        At least one.
    """

    name: str
    terms: tuple[Term, ...]

    @property
    def metrics(self):
        """The distinct metrics, in order of first appearance (tuple)."""
        return tuple(
            dict.fromkeys(m for term in self.terms for m in term.metrics)
        )

    @property
    def higher_is_better(self):
        """The direction of ``selection_value``."""
        return len(self.metrics) > 1 or self.metrics[0].higher_is_better

    def selection_value(self, raw):
        """The number by which this generator's best checkpoint is chosen.

        Arguments
        ---------
        raw : Mapping from metric name to float or np.ndarray
            Mean raw scores of a validation, or those of its utterances.

        Returns
        -------
        value : float
            A single metric's mean raw score, else the mean training label of
            the terms.
        higher_is_better : bool
            The single metric's direction, else True.
        """
        if len(self.metrics) == 1:
            (metric,) = self.metrics
            value = float(np.mean(raw[metric.name]))
            return value, self.higher_is_better
        labels = [np.mean(term.label(raw)) for term in self.terms]
        return float(np.mean(labels)), self.higher_is_better
