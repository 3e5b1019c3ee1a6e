"""`find_slices`: sub-populations in which compressed models lose more than elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.intervals.bootstrap import deal, units_of
from prunescope.audit.subject import baseline_of
from prunescope.errors import ConfigError, DataError
from prunescope.predictions import Predictions, Scores, Truth, align, each, read_models
from prunescope.predictions.embeddings import Embeddings
from prunescope.slices.damage import Beyond, Losses, Measure, losses_of
from prunescope.slices.features import known_columns, read_metadata
from prunescope.slices.result import MEMBER_SCHEMA, SCHEMA, SliceInfo, Slices, SlicesInfo
from prunescope.slices.rules import Feature, Flags
from prunescope.slices.space import Space
from prunescope.slices.tested import Subject, Tested, slices_of, told_of

MOST_SEARCHED = 50_000
"""Samples of the search half that are looked at, at most; the test half is used whole."""

PARTS = 1024
"""Of the search half, of which some are looked at."""


def find_slices(
    dense: object,
    compressed: object,
    embeddings: Embeddings | str | Path | None = None,
    metadata: object | None = None,
    *,
    labels: object | None = None,
    groups: object | None = None,
    attributes: Sequence[str] | None = None,
    classes: Sequence[object] | None = None,
    ids: object | None = None,
    scores: Scores = "logits",
    damage: Measure = "harmful_flips",
    beyond: Beyond | None = None,
    cluster: str | None = None,
    min_support: int = 20,
    most: int = 10,
    confidence: float = 0.95,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Slices:
    """Find sub-populations in which compressed models lose more than elsewhere.

    Half of the samples (of the units, where samples come in clusters) is searched for short rules;
    the other half judges each rule that was chosen, as if nobody had searched.

    Parameters
    ----------
    dense, compressed : models
        As for `prunescope.audit`; labels are needed but for the damage "uncertainty".
    embeddings : Embeddings or path, optional
        Of the samples, by id: slices may then be clusters and directions of it, too.
    metadata : frame or path, optional
        More columns about the samples, by ``id``: text, numbers, booleans; at most 200.
    labels, groups, attributes, classes, ids, scores
        As for `prunescope.audit`.
    damage : {"harmful_flips", "accuracy", "rare_answers", "uncertainty"}
        What an answer can lose: being right; being right, net of answers that became right; the
        same of rare answers alone; being sure (its probability enters (0.1, 0.9)).
    beyond : {"margin", "churn", "nothing"}, optional
        What damage is told beyond: the damage elsewhere to answers of which the dense model is as
        sure; that, and the damage that another training of the dense model does; or the damage
        elsewhere. Default: churn where a second dense model is given, else margin.
    cluster : str, optional
        Group whose samples depend on each other; default: the one that the files name.
    min_support : int
        Independent units of a slice in each half (samples, or clusters), at least 2.
    most : int
        Slices that are tested, of each model.
    confidence : float
        Of the intervals, in (0, 1).
    seed : int
        By which units are dealt into halves.
    progress : callable (done, total), optional
        Called after each model.

    Raises
    ------
    DataError
        Files do not fit together, nothing is labelled, or there are too few samples.
    ConfigError
        A setting makes no sense.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels, hat = rng.integers(0, 2, (4000, 1)), rng.random(4000) < 0.1
    >>> dense = labels * 4.0 - 2.0
    >>> flipped = rng.random((4000, 1)) < np.where(hat, 0.3, 0.02)[:, None]
    >>> sparse = np.where(flipped, -dense, dense)
    >>> found = find_slices(
    ...     dense, {"sparse": sparse}, labels=labels, groups={"hat": hat}, attributes=["Smiling"]
    ... )
    >>> found.found.select("rule", "n_test").row(0)
    ('hat', 212)
    """
    began = time.perf_counter()
    _check_settings(min_support, most, confidence, seed)
    truth = Truth(labels, groups, attributes, classes, ids)
    models, n_dense, notes = _read(dense, compressed, truth, scores)
    samples = models[0].samples
    cluster = cluster or samples.cluster
    units = units_of(samples, cluster)
    half = deal(units, 2, seed) == 0
    _check_size(half, units, min_support)
    searched, more = _at_most(half, units, MOST_SEARCHED, seed)
    beyond = beyond or ("churn" if n_dense > 1 else "margin")
    pruned = models[n_dense:]
    metadata_of = [model.metadata for model in models]
    first = [baseline_of(metadata_of, n_dense, n_dense + number) for number in range(len(pruned))]
    lost = [
        _losses(models[:n_dense], baseline, one, searched, damage, beyond)
        for baseline, one in zip(first, pruned, strict=True)
    ]
    told = None if metadata is None else read_metadata(metadata, samples.ids)
    columns = known_columns(models[0], told)
    columns.pop(Feature(kind="group", name=cluster or ""), None)
    space = values = None
    if embeddings is not None:
        values = _embeddings(embeddings, samples.ids)
        space = Space.fit(values[searched], _beyond_expected(lost, searched), seed=seed)
        columns |= space.columns(values)
    subject = Subject(
        samples.ids, columns, units, searched, ~half, values, min_support, most, confidence, seed
    )
    names = tuple(model.name for model in pruned)
    found = _searched(subject, [*zip(names, lost, strict=True)], progress)
    info = SlicesInfo(
        dense=models[0].name,
        models=names,
        compared_with=tuple(models[baseline].name for baseline in first),
        task=samples.task,
        damage=damage,
        beyond=beyond,
        attributes=samples.attributes,
        n_samples=len(samples),
        n_search=int(half.sum()),
        cluster=cluster,
        min_support=min_support,
        most=most,
        confidence=confidence,
        seed=seed,
        seconds=time.perf_counter() - began,
        n_features=len(columns),
        embeddings=None if values is None else values.shape[1],
        slices=[told for _, _, told in found],
        space=_asked_for(space, [told for _, _, told in found]),
        notes=[*notes, *more],
    )
    rows = [one.row(name, told.slice, min_support) for name, one, told in found]
    return Slices(info, pl.DataFrame(rows, schema=SCHEMA), _members(samples.ids, found))


def _check_settings(min_support: int, most: int, confidence: float, seed: int) -> None:
    whole = all(isinstance(one, int) for one in (min_support, most, seed))
    if not whole or min_support < 2 or most < 1 or not 0 < confidence < 1 or seed < 0:
        raise ConfigError(
            f"min_support {min_support}, most {most}, confidence {confidence}, seed {seed}: "
            "expected whole numbers of at least 2, 1 and, the seed, 0, and a share in (0, 1)"
        )


def _read(
    dense: object, compressed: object, truth: Truth, scores: Scores
) -> tuple[list[Predictions], int, list[str]]:
    """Read all models and bring them onto the same samples."""
    given = each("dense", dense, of_seeds=True)
    n_dense = len(given)
    given += each("compressed", compressed)
    if len(given) == n_dense:
        raise ConfigError("no compressed model is given: expected one at least")
    models, notes = read_models(given, truth, scores=scores)
    aligned, more = align(models)
    return aligned, n_dense, [*notes, *more]


def _check_size(half: Flags, units: NDArray[np.uint64], min_support: int) -> None:
    names, rows = np.unique(units, return_index=True)
    least = min(int(half[rows].sum()), int((~half[rows]).sum()))
    if least < 2 * min_support:
        kind = "samples" if len(names) == len(units) else "clusters of samples"
        raise DataError(
            f"halving {len(names):,} {kind} at random leaves {least:,} on one side: expected at "
            f"least {2 * min_support:,} on each, which a slice of {min_support} can be told from"
        )


def _at_most(
    half: Flags, units: NDArray[np.uint64], most: int, seed: int
) -> tuple[Flags, list[str]]:
    """Return a half of which about so many samples are left, unit by unit, and a note of that."""
    n = int(half.sum())
    if n <= most:
        return half, []
    kept = half & (deal(units, PARTS, seed + 1) < PARTS * most // n)
    note = f"of the {n:,} samples of the search half {int(kept.sum()):,}, drawn at random, were"
    return kept, [f"{note} looked at"]


def _losses(
    dense: Sequence[Predictions],
    baseline: int,
    compressed: Predictions,
    searched: Flags,
    damage: Measure,
    beyond: Beyond,
) -> Losses:
    """Count what a model loses against one of the dense models."""
    others = [model for place, model in enumerate(dense) if place != baseline]
    losses = losses_of(
        dense[baseline], compressed, searched, measure=damage, beyond=beyond, churn=others
    )
    if not losses.known.any():
        raise DataError(
            f"no answer of {compressed.name} can be damaged: expected labels, of {damage}"
        )
    return losses


def _searched(
    subject: Subject,
    lost: Sequence[tuple[str, Losses]],
    progress: Callable[[int, int], None] | None,
) -> list[tuple[str, Tested, SliceInfo]]:
    """Find and test the slices of each model; number those of all in the order of the table."""
    tested: list[tuple[str, Losses, Tested]] = []
    for done, (name, losses) in enumerate(lost, start=1):
        tested += [(name, losses, one) for one in slices_of(subject, losses)]
        if progress is not None:
            progress(done, len(lost))
    tested.sort(key=lambda one: one[2].place)
    return [
        (name, one, told_of(subject, losses, one, number))
        for number, (name, losses, one) in enumerate(tested, start=1)
    ]


def _embeddings(given: Embeddings | str | Path, ids: pl.Series) -> NDArray[np.float32]:
    if not isinstance(given, Embeddings | str | Path):
        raise DataError(
            f"embeddings ({type(given).__name__}): expected a path or Embeddings.of(values, ids)"
        )
    read = given if isinstance(given, Embeddings) else Embeddings.load(given)
    return read.aligned_to(ids).values


def _beyond_expected(lost: Sequence[Losses], seen: Flags) -> NDArray[np.float64]:
    """Return the damage beyond the expected of the samples that are searched: (n, models)."""
    beyond = [np.where(one.known, one.damage - one.expected, 0)[seen].sum(axis=1) for one in lost]
    return np.stack(beyond, axis=1)


def _asked_for(space: Space | None, told: Sequence[SliceInfo]) -> Space | None:
    """Return what of a space the rules of slices need."""
    asked = [one for info in told for one in info.rule.features if one.of_embedding]
    return None if space is None or not asked else space.kept(asked)


def _members(ids: pl.Series, found: Sequence[tuple[str, Tested, SliceInfo]]) -> pl.DataFrame:
    """List the samples of every slice."""
    each = [pl.DataFrame(schema=MEMBER_SCHEMA)]
    for _, one, told in found:
        inside = ids.filter(pl.Series(one.inside)).to_frame("id")
        each.append(inside.with_columns(slice=pl.lit(told.slice, pl.Int64)))
    return pl.concat(each)
