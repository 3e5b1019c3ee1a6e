"""Compression-identified exemplars (CIEs): the samples that compression treats differently.

Between a dense and a compressed *population* (models of one recipe and several seeds) there are
two definitions:

- ``modal``: the answer that most dense models give differs from the one that most compressed
  models give. Such a CIE is about one attribute of one sample.
- ``rank_correlation``: compression changes most how the sample's attributes are ordered by
  probability. Such a CIE is about a sample.

In arrays (N, A) a multi-class task is one-vs-rest: a sample whose class changed has a CIE in the
column of the class it lost and in that of the class it got.

References
----------
Hooker, Courville, Clark, Dauphin and Frome (2019), What do compressed deep neural networks forget?
Hooker, Moorosi, Clark, Bengio and Denton (2020), Characterising bias in compressed models.
Holste et al. (MICCAI 2023), How does pruning impact long-tailed multi-label medical image
classifiers?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.data.samples import Samples, Task
from prunescope.metrics.agreement import (
    TIED,
    Population,
    check_same_samples,
    lowest_agreement,
    rank_agreement,
)

CIE_SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(),
    "definition": pl.String(),
    "id": pl.String(),
    "image": pl.String(),
    "attribute": pl.String(),
    "label": pl.String(),
    "dense": pl.String(),
    "compressed": pl.String(),
    "dense_share": pl.Float64(),
    "compressed_share": pl.Float64(),
    "dense_probability": pl.Float64(),
    "compressed_probability": pl.Float64(),
    "rank_correlation": pl.Float64(),
    "harmful": pl.Boolean(),
    "label_may_be_wrong": pl.Boolean(),
}
"""Columns of the list of CIEs; `list_cies` says what they hold."""

Places = NDArray[np.intp]

NONE = -1
"""Code of a column, class or word where there is none."""


@dataclass(frozen=True)
class Cies:
    """Where the modal answers of a dense and a compressed population differ.

    Parameters
    ----------
    dense, compressed : array (N, A) of int8
        Modal answers: 1 yes, 0 no, -1 tied.
    compared : array (N, A) of bool
        Neither side is tied.
    cie : array (N, A) of bool
        Compared, and the modal answers differ.
    harmful : array (N, A) of bool
        A CIE whose label is known, where the dense modal answer is right and the compressed wrong.
    populations : pair of Population
        The dense and the compressed one. With one model each, a CIE is a flip, and nothing tells
        it from what two seeds differ by.
    """

    dense: NDArray[np.int8]
    compressed: NDArray[np.int8]
    compared: NDArray[np.bool_]
    cie: NDArray[np.bool_]
    harmful: NDArray[np.bool_]
    populations: tuple[Population, Population]


def find_cies(dense: Population, compressed: Population) -> Cies:
    """Compare the modal answers of two populations on the same samples.

    CIE: modal ŷ over the dense models ≠ modal ŷ over the compressed ones. Where either side is
    tied, nothing is compared. Harm is judged column by column in a multi-class task too, as that
    of flips is.
    Source: Hooker et al. (2019); for attributes, Iofinova et al. (CVPR 2023).

    Raises
    ------
    DataError
        The populations are not on the same samples.

    Examples
    --------
    >>> from prunescope.predictions import Metadata, Predictions
    >>> samples = Samples(pl.Series(["a", "b"]), ("Bald",), np.array([[1], [0]], np.int8))
    >>> def model(*logits):
    ...     return Predictions(samples, np.array(logits)[:, None], Metadata())
    >>> dense = [model(1.0, -1), model(2.0, -3), model(-1.0, -2)]
    >>> compressed = [model(-1.0, -1), model(-2.0, 4), model(-1.0, -2)]
    >>> found = find_cies(Population(dense), Population(compressed))
    >>> found.cie[:, 0].tolist(), found.harmful[:, 0].tolist()
    ([True, False], [True, False])
    """
    check_same_samples(dense.models[0], compressed.models[0])
    before, after = dense.modal_answers, compressed.modal_answers
    compared = (before != TIED) & (after != TIED)
    cie = compared & (before != after)
    return Cies(
        dense=before,
        compressed=after,
        compared=compared,
        cie=cie,
        harmful=cie & (before == dense.samples.labels),
        populations=(dense, compressed),
    )


def list_cies(
    dense: Population,
    compressed: Population,
    *,
    name: str,
    share: float = 0.05,
    confidence: float = 0.9,
) -> pl.DataFrame:
    """List the CIEs for the person who looks at them, the most changed first.

    First come the modal CIEs, one row per sample and attribute, by how far the share of models
    that answer yes moved, then by how far the mean probability did. Then come the CIEs by rank
    correlation, one row per sample, the lowest first.

    In a multi-class task every row is about a sample: `label`, `dense` and `compressed` are
    classes, and "yes" means the dense modal class.

    Parameters
    ----------
    dense, compressed : Population
        On the same samples.
    name : str
        What to call the compressed population.
    share : float
        The share of samples that are CIEs by rank correlation, see `lowest_agreement`.
    confidence : float
        See `Population.label_may_be_wrong`.

    Returns
    -------
    polars.DataFrame
        With the columns of `CIE_SCHEMA`. `label` and the modal answers `dense` and `compressed`
        are "True", "False" or a class; null where unlabelled or tied. `dense_share` and
        `compressed_share` are the shares of models that answer yes, `dense_probability` and
        `compressed_probability` the mean probabilities of yes. `harmful`: a right answer became
        wrong; null where that is not known. A row about all attributes has null in these columns
        and in `attribute`, and its `label_may_be_wrong` is that of any attribute.

    Raises
    ------
    ConfigError
        A setting is out of range.
    DataError
        The populations are not on the same samples.

    Examples
    --------
    >>> from prunescope.predictions import Metadata, Predictions
    >>> samples = Samples(pl.Series(["a", "b"]), ("Bald",), np.array([[1], [0]], np.int8))
    >>> dense = Predictions(samples, np.array([[1.0], [-1]]), Metadata())
    >>> sparse = Predictions(samples, np.array([[-1.0], [-1]]), Metadata())
    >>> listed = list_cies(Population([dense]), Population([sparse]), name="95%")
    >>> listed.select("id", "label", "compressed").rows()
    [('a', 'True', 'False')]
    """
    found = find_cies(dense, compressed)
    samples = dense.samples
    agreement = rank_agreement(dense, compressed)
    doubted = dense.label_may_be_wrong(confidence)

    modal_rows, modal_columns = _most_changed(found, samples.task)
    lowest = np.flatnonzero(lowest_agreement(agreement, share))
    lowest = lowest[np.argsort(agreement[lowest], kind="stable")]
    rows = np.concatenate([modal_rows, lowest])
    columns = np.concatenate([modal_columns, np.full(len(lowest), NONE)])
    words, label, old, new = _answers(samples, found, rows, columns)
    suspect: NDArray[np.bool_] = np.any(doubted, axis=1)[rows]
    if samples.task == "multiclass":
        attribute, columns = np.full(len(rows), NONE), old
    else:
        attribute = columns
        suspect = np.where(columns == NONE, suspect, doubted[rows, columns])

    shares, probabilities = (
        np.where(columns == NONE, np.nan, told)
        for told in zip(*(side.at(rows, columns) for side in found.populations), strict=True)
    )
    place = pl.Series(rows, dtype=pl.Int64)
    told = pl.Series((label != NONE) & (old != NONE) & (new != NONE))
    harmful = pl.Series((old == label) & (new != label))
    is_modal = np.arange(len(rows)) < len(modal_rows)
    data = {
        "model": pl.repeat(name, len(rows), eager=True),
        "definition": _pick(("rank_correlation", "modal"), is_modal),
        "id": samples.ids.gather(place),
        "image": None if samples.images is None else samples.images.gather(place),
        "attribute": _pick(samples.attributes, attribute),
        "label": _pick(words, label),
        "dense": _pick(words, old),
        "compressed": _pick(words, new),
        "dense_share": shares[0],
        "compressed_share": shares[1],
        "dense_probability": probabilities[0],
        "compressed_probability": probabilities[1],
        "rank_correlation": agreement[rows],
        "harmful": harmful.set(~told, None),
        "label_may_be_wrong": suspect,
    }
    return pl.DataFrame(data, schema=CIE_SCHEMA).with_columns(pl.selectors.float().fill_nan(None))


def _most_changed(found: Cies, task: Task) -> tuple[Places, Places]:
    """Return rows and columns of the modal CIEs, the most changed first."""
    rows, columns = np.nonzero(found.cie)
    if task == "multiclass":  # of the sample's two columns, that of the class it lost
        lost = found.dense[rows, columns] == 1
        rows, columns = rows[lost], columns[lost]
    dense, compressed = found.populations
    (before, p_before), (after, p_after) = (side.at(rows, columns) for side in found.populations)
    votes = np.rint(np.abs(after - before) * (len(dense) * len(compressed)))  # whole,
    moved = np.abs(p_after - p_before)  # and this is below 1
    order = np.argsort(-(2 * votes + moved), kind="stable")
    return rows[order], columns[order]


def _answers(
    samples: Samples, found: Cies, rows: Places, columns: Places
) -> tuple[tuple[str, ...], Places, Places, Places]:
    """Return words, and for each cell the codes of the label and of both modal answers in them."""
    tables = (samples.labels, found.dense, found.compressed)
    if samples.task == "multiclass":
        best = [table.argmax(axis=1)[rows] for table in tables]
        codes = [
            np.where(table[rows, place] == 1, place, NONE)
            for table, place in zip(tables, best, strict=True)
        ]
        return samples.attributes, codes[0], codes[1], codes[2]
    codes = [np.where(columns == NONE, NONE, table[rows, columns]) for table in tables]
    return ("False", "True"), codes[0], codes[1], codes[2]


def _pick(words: Sequence[str], codes: NDArray[Any]) -> pl.Series:
    """Return the word of each code, null where there is none."""
    places = pl.Series(codes, dtype=pl.Int64).replace(NONE, None)
    return pl.Series(words, dtype=pl.String).gather(places)
