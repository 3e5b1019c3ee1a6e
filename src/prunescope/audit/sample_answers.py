"""What takes the answers to every sample, and so an audit in memory: lists of samples and classes.

Evidence that adds up, part by part, says how many; the samples themselves say which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from prunescope.audit.cies import find_cies, list_cies
from prunescope.audit.enrichment import over_representation, rare_label_representation
from prunescope.audit.result import Settings
from prunescope.metrics import Slices
from prunescope.metrics.agreement import Population
from prunescope.metrics.statistics import Floats
from prunescope.metrics.topone import top_answers, true_classes
from prunescope.predictions import Predictions
from prunescope.predictions.batch import Batch


class Exemplars(NamedTuple):
    """Compression-identified exemplars: a list of them, and whom they gather in.

    `listed` as in `prunescope.audit.cies.CIE_SCHEMA`, `gathered` as in
    `prunescope.audit.enrichment.ENRICHMENT_SCHEMA`.
    """

    listed: pl.DataFrame
    gathered: pl.DataFrame


class SampleAnswers:
    """Every model's answer to every sample.

    Parameters
    ----------
    models : sequence of Predictions
        On the same samples, dense ones first.
    n_dense : int
    batch : Batch
        Of the same models.
    slices : Slices
    """

    def __init__(
        self, models: Sequence[Predictions], n_dense: int, batch: Batch, slices: Slices
    ) -> None:
        self._models, self._batch, self._slices = models, batch, slices
        self._dense = Population(models[:n_dense])  # one, asked for many times

    def exemplars(
        self, members: Sequence[int], name: str, prevalence: Floats, settings: Settings
    ) -> Exemplars:
        """Find the exemplars between the dense models and a compressed population.

        Parameters
        ----------
        members : sequence of int
            The compressed models.
        name : str
            What to call them.
        prevalence : array (A,)
            Share of positives of each attribute in training; NaN where unknown.
        settings : Settings
        """
        compressed = Population([self._models[i] for i in members])
        found, samples = find_cies(self._dense, compressed), self._models[0].samples
        arrays, least = (found.cie, found.compared), settings.min_support
        gathered = (
            over_representation(
                *arrays, self._slices, samples, min_support=least, confidence=settings.confidence
            ),
            rare_label_representation(
                *arrays, samples, prevalence, min_support=least, confidence=settings.confidence
            ),
        )
        return Exemplars(list_cies(self._dense, compressed, name=name), pl.concat(gathered))

    def confusions(self, before: int, after: int) -> pl.DataFrame:
        """Count which class became which, from one multi-class model to another.

        Columns are those of `prunescope.audit.result.CONFUSION_SCHEMA` but the model.
        """
        names = [*self._models[before].attributes, None]
        first, second = (top_answers(self._batch.models[i]) for i in (before, after))
        truth = true_classes(self._batch)
        moved = first != second
        counted = (
            pl.DataFrame(
                {"label": truth[moved], "dense": first[moved], "compressed": second[moved]}
            )
            .group_by("label", "dense", "compressed")
            .len("n")
            .sort("n", "label", "dense", "compressed", descending=[True, False, False, False])
        )
        return counted.with_columns(
            pl.col("n").cast(pl.Int64),
            *(
                pl.Series(column, [names[code] for code in counted[column]], dtype=pl.String)
                for column in ("label", "dense", "compressed")
            ),
        )
