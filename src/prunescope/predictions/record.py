"""The record of one model's answers on one split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from prunescope.data.samples import Samples
from prunescope.errors import DataError, settings_of, shorten
from prunescope.files import replacing
from prunescope.predictions.given import Matrix
from prunescope.predictions.memory import logits_in, samples_of
from prunescope.predictions.metadata import Metadata
from prunescope.predictions.reading import KEY, check_suffix, read_table
from prunescope.predictions.scores import (
    Scores,
    check_scores,
    logits_of,
    scores_from,
    sigmoid,
    warn_of_scores,
)
from prunescope.predictions.tables import samples_from, table_of
from prunescope.predictions.told import Told


@dataclass(frozen=True, repr=False)
class Predictions:
    """The logits of one model on N samples, with their labels and groups.

    Parameters
    ----------
    samples : Samples
        N samples with A attributes (or classes).
    logits : array (N, A) of float32 or float64
        Never probabilities. All finite.
    metadata : Metadata
    thresholds : array (A,) or (N, A) of float64, optional
        A logit above its threshold means yes; default: 0 for all. Finite. One per attribute, or
        one per answer where they depend on the sample. Not for a multi-class task, whose answer is
        the class with the highest logit.

    Raises
    ------
    DataError
        A shape disagrees with the samples, or a logit or threshold is NaN or infinite.

    Examples
    --------
    >>> samples = Samples(pl.Series(["a", "b"]), ("Bald",), np.array([[1], [0]], np.int8))
    >>> predictions = Predictions(samples, np.array([[2.0], [-1.0]]), Metadata(name="dense"))
    >>> predictions
    Predictions('dense', 2 samples × 1 attribute, no groups)
    >>> predictions.decisions[:, 0].tolist(), predictions.probabilities[:, 0].round(3).tolist()
    ([True, False], [0.881, 0.269])
    """

    samples: Samples
    logits: NDArray[np.floating[Any]]
    metadata: Metadata
    thresholds: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        expected = (len(self.samples), len(self.samples.attributes))
        if self.logits.shape != expected:
            raise DataError(f"logits have shape {self.logits.shape}: expected {expected}")
        if not len(self.samples):
            raise DataError(f"{self.name}: no samples; expected at least one row")
        bad = ~np.isfinite(self.logits)
        if bad.any():
            row, column = np.argwhere(bad)[0]
            raise DataError(
                f"{self.name}: the logit of {self.attributes[column]!r} for id "
                f"{self.samples.ids[int(row)]!r} is {self.logits[row, column]}; expected a finite "
                f"number ({bad.sum()} such values). Did training diverge?"
            )
        if self.thresholds is not None:
            self._check_thresholds(self.thresholds)

    def _check_thresholds(self, thresholds: NDArray[np.float64]) -> None:
        if self.samples.task == "multiclass":
            raise DataError(
                f"{self.name} is multiclass: its answer is the class with the highest logit; "
                "leave out the thresholds"
            )
        if thresholds.shape not in ((len(self.attributes),), self.logits.shape):
            raise DataError(
                f"{self.name}: thresholds have shape {thresholds.shape}: expected "
                f"({len(self.attributes)},), one per attribute, or {self.logits.shape}, one per "
                "answer"
            )
        bad = np.argwhere(~np.isfinite(thresholds))
        if len(bad):
            found = thresholds[tuple(bad[0])]
            raise DataError(
                f"{self.name}: the threshold of {self.attributes[bad[0][-1]]!r} is {found}; "
                "expected a finite number"
            )

    @property
    def name(self) -> str:
        """The model's name in tables and reports."""
        return self.metadata.name or "model"

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the A attributes, or of the classes."""
        return self.samples.attributes

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """P(attribute): sigmoid of the logits, or softmax over the classes; (N, A) in [0, 1]."""
        return self.probabilities_of(slice(None))

    def probabilities_of(self, rows: slice) -> NDArray[np.float64]:
        """Return the probabilities of some of the samples: (r, A)."""
        if self.samples.task == "multiclass":
            return np.asarray(softmax(self.logits[rows].astype(np.float64), axis=1))
        return sigmoid(self.logits[rows])

    @cached_property
    def log_odds(self) -> NDArray[np.floating[Any]]:
        """Log-odds of each attribute or, against all others, class: (N, A); orders `probabilities`.

        They are the logits of a multi-label task; for a class c, z_c - log Σ_(k≠c) exp(z_k).
        """
        if self.samples.task == "multilabel":
            return self.logits
        logits = self.logits.astype(np.float64)
        everyone = logsumexp(logits, axis=1, keepdims=True)
        odds = logits - everyone - np.log1p(-np.minimum(self.probabilities, 0.5))
        # Above one half, 1 - p loses its digits: sum the others instead.
        best = (np.arange(len(logits)), logits.argmax(axis=1))
        others = logits.copy()
        others[best] = -np.inf
        odds[best] = logits[best] - logsumexp(others, axis=1)
        return np.asarray(odds)

    @cached_property
    def decisions(self) -> NDArray[np.bool_]:
        """Answers (N, A): logit > threshold, or the class with the highest logit (ties: first)."""
        return self.decisions_of(slice(None))

    def decisions_of(self, rows: slice) -> NDArray[np.bool_]:
        """Return the answers to some of the samples: (r, A)."""
        logits, limits = self.logits[rows], self.thresholds
        if self.samples.task == "multiclass":
            return np.asarray(logits.argmax(axis=1)[:, None] == np.arange(logits.shape[1]))
        if limits is not None and limits.ndim == 2:
            limits = limits[rows]
        return np.asarray(logits > (0 if limits is None else limits))

    def take(self, rows: NDArray[Any]) -> Predictions:
        """Return the predictions for some samples (indices or a boolean mask)."""
        thresholds = self.thresholds
        if thresholds is not None and thresholds.ndim == 2:
            thresholds = thresholds[rows]
        samples = self.samples.take(rows)
        return replace(self, samples=samples, logits=self.logits[rows], thresholds=thresholds)

    @classmethod
    def of(
        cls,
        logits: object,
        labels: object,
        *,
        attributes: Iterable[str] | None = None,
        classes: Iterable[object] | None = None,
        groups: object | None = None,
        ids: object | None = None,
        cluster: str | None = None,
        name: str | None = None,
        method: str | None = None,
        sparsity: float | None = None,
        seed: int | None = None,
        scores: Scores = "logits",
    ) -> Predictions:
        """Make the record from memory: arrays, tensors, frames of pandas or polars, lists.

        Parameters
        ----------
        logits : (N, A), or (N,) of one attribute
            A frame tells the names of its columns.
        labels : (N, A), or (N,) of one attribute or of classes
            True or false, 1 or 0, of each attribute; NaN, None and masked cells mean unlabelled.
            Of classes the place of each sample's class, from 0 on, or its name.
        attributes : sequence of str, optional
            Names of the columns, in order, where no frame tells them.
        classes : sequence, optional
            The same where one of several classes is chosen. Labels (N,) beside logits of several
            columns are classes without it, too.
        groups : dict or frame, optional
            Name → values (N,): booleans, whole numbers or text; NaN and None are unknown.
        ids : (N,), optional
            Default: the index of what comes from pandas, else row numbers from 0 on.
        cluster : str, optional
            The group whose samples depend on each other.
        name, method, sparsity, seed
            What the model is, how it was compressed, the share of its weights that were removed in
            [0, 1), and the seed of its training.
        scores : {"logits", "probability"}
            What `logits` hold, as for `load`.

        Raises
        ------
        DataError
            Shapes, types or names do not fit together; says which argument.
        ConfigError
            A choice makes no sense, or names are missing.

        Examples
        --------
        >>> Predictions.of(
        ...     [[2.0, -1.0], [0.5, 3.0]], [[1, 0], [None, 1]], attributes=["Bald", "Smiling"],
        ...     groups={"sex": ["f", "m"]}, name="dense",
        ... )
        Predictions('dense', 2 samples × 2 attributes, groups sex)
        >>> Predictions.of([[2.0, 1.0, 0.0], [1.0, 0.0, 0.5]], ["dog", "cat"],
        ...     classes=["cat", "dog", "owl"])
        Predictions('model', 2 samples × 3 classes, no groups)
        """
        matrix = Matrix.of(logits, "logits")
        samples = samples_of(
            [matrix], labels, attributes=attributes, classes=classes, groups=groups, ids=ids,
            cluster=cluster,
        )  # fmt: skip
        with settings_of("predictions"):
            told = Told(name=name, method=method, sparsity=sparsity, seed=seed)
        metadata = told.over(Metadata(task=samples.task))
        return cls(samples, logits_in(matrix, samples, scores), metadata)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        scores: Scores = "logits",
        name: str | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> Predictions:
        """Read a Parquet or CSV file.

        Parameters
        ----------
        path : path
        scores : {"logits", "probability"}
            What the columns ``logit__*`` hold. Probabilities are turned into logits (log-odds,
            or logarithms for a multi-class task), kept at least 1e-12 away from 0 and 1. It is
            never guessed.
        name : str, optional
            Name for the model; default: the one in the file's metadata, else the file's stem.
        columns : dict, optional
            Our name of a column → the name that it has in the file, with at most one ``*`` on each
            side: ``{"id": "filename", "logit__*": "prob_*"}``.

        Raises
        ------
        DataError
            The file is absent, damaged, lacks columns, or holds values that make no sense. Where
            columns are missing, the message suggests how to read those that are there.
        ConfigError
            `scores` is something else, or an entry of `columns` makes no sense.

        Warns
        -----
        PrunescopeWarning
            All scores are read as logits and look like probabilities, or all are 0 or 1.
        """
        check_scores(scores)
        path = Path(path)
        frame, metadata = read_table(path, columns)
        name = name or metadata.name or path.stem
        return _record(frame, path, name, metadata, scores)

    @classmethod
    def from_table(
        cls,
        frame: pl.DataFrame,
        source: str | Path,
        *,
        name: str,
        scores: Scores = "logits",
    ) -> Predictions:
        """Read a table that has the columns of a prediction file; messages call it `source`.

        Raises, and warns, as `load` does.
        """
        check_scores(scores)
        return _record(frame, source, name, Metadata(), scores)

    def save(self, path: str | Path) -> None:
        """Write a Parquet file that `load` reads back identically; CSV by the suffix ``.csv``.

        Raises
        ------
        DataError
            The file cannot be written, its name has another suffix, or there are thresholds, which
            the file would not hold.
        """
        path = check_suffix(path)
        if self.thresholds is not None:
            raise DataError(
                f"{path}: a prediction file holds no thresholds: keep them in a file of their own, "
                "and save dataclasses.replace(predictions, thresholds=None)"
            )
        frame = self.to_frame()
        dataset = self.metadata.dataset.model_copy(update={"cluster": self.samples.cluster})
        metadata = self.metadata.model_copy(update={"dataset": dataset, "task": self.samples.task})
        with replacing(path) as beside:
            if path.suffix == ".csv":
                frame.write_csv(beside)
            else:
                frame.write_parquet(beside, metadata={KEY: metadata.model_dump_json()})

    def to_frame(self) -> pl.DataFrame:
        """Return the table that `save` writes."""
        return table_of(self.samples, self.logits)

    def __repr__(self) -> str:
        n, a = self.logits.shape
        kind = "class" if self.samples.task == "multiclass" else "attribute"
        plural = ("es" if kind == "class" else "s") if a != 1 else ""
        groups = f"groups {shorten(self.samples.groups)}" if self.samples.groups else "no groups"
        return f"Predictions({self.name!r}, {n:,} samples × {a} {kind}{plural}, {groups})"


def _record(
    frame: pl.DataFrame, source: str | Path, name: str, metadata: Metadata, scores: Scores
) -> Predictions:
    """Read the columns of a table."""
    samples = samples_from(frame, metadata, source)
    logits = scores_from(frame, samples.attributes, source)
    if not metadata.model_fields_set:  # what wrote the provenance knew what scores are
        warn_of_scores(logits, scores, source)
    if scores == "probability":
        logits = logits_of(logits, samples, source)
    metadata = metadata.model_copy(update={"name": name, "task": samples.task})
    return Predictions(samples, logits, metadata)
