"""Several models' predictions on the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Group, Samples
from prunescope.errors import DataError, shorten
from prunescope.predictions.ids import explain, places_of
from prunescope.predictions.record import Predictions


def align(files: Sequence[Predictions]) -> tuple[list[Predictions], list[str]]:
    """Bring several models' predictions onto the same samples, joined by id.

    The samples that every file has are kept, in the order of the first file. All results share
    one `Samples`: a label or group that one file lacks is taken from the others.

    Returns
    -------
    aligned : list of Predictions
    notes : list of str
        What was reordered or left out, in words.

    Raises
    ------
    DataError
        Attributes differ, no id is shared, or two files tell different truths of one sample.
    """
    first, notes = files[0], []
    ids = first.samples.ids
    shared = pl.Series(np.ones(len(ids), bool))
    for other in files[1:]:
        _check_attributes(first, other)
        shared &= ids.is_in(other.samples.ids.implode())
    if not shared.any():
        raise DataError(
            f"{shorten(file.name for file in files)} share no sample. Ids look like "
            f"{shorten(repr(file.samples.ids[0]) for file in files)}: make them agree"
            f"{_why_apart(files)}"
        )
    kept = ids.filter(shared)
    aligned = []
    for file in files:
        left_out = len(file.samples) - len(kept)
        if left_out:
            notes.append(
                f"{file.name}: {left_out} of {len(file.samples)} samples left out, because not "
                "every file has them"
            )
        elif not file.samples.ids.equals(kept):
            notes.append(f"{file.name}: samples stood in another order; joined by id")
        aligned.append(_arrange(file, kept, first.attributes))
    samples = _merge([file.samples for file in aligned], [file.name for file in aligned])
    return [replace(file, samples=samples) for file in aligned], notes


def in_order_of(file: Predictions, first: Predictions) -> Predictions:
    """Return predictions with their attributes in the order of another file's.

    Raises
    ------
    DataError
        The two do not answer the same questions.
    """
    _check_attributes(first, file)
    return _arrange(file, file.samples.ids, first.attributes)


def on_samples_of(file: Predictions, first: Predictions) -> Predictions:
    """Return predictions on the samples of another file, and in its order, attributes too.

    Raises
    ------
    DataError
        The two do not answer the same questions, or some of the samples are not there.
    """
    _check_attributes(first, file)
    absent = ~first.samples.ids.is_in(file.samples.ids.implode())
    if absent.any():
        example = first.samples.ids.filter(absent)[0]
        raise DataError(
            f"{file.name} lacks {absent.sum():,} of the {len(absent):,} samples of {first.name}, "
            f"{example!r} for example: expected predictions on one split"
            f"{_why_apart([first, file])}"
        )
    return _arrange(file, first.samples.ids, first.attributes)


def _why_apart(files: Sequence[Predictions]) -> str:
    """Say what would join the ids of the first pair of files that share none."""
    first = files[0]
    for other in files[1:]:
        if not first.samples.ids.is_in(other.samples.ids.implode()).any():
            return explain(first.samples.ids, other.samples.ids, first.name, other.name)
    return ""


def _check_attributes(first: Predictions, other: Predictions) -> None:
    """Raise where two files do not answer the same questions."""
    if first.samples.task != other.samples.task:
        raise DataError(
            f"{first.name} is {first.samples.task} and {other.name} is {other.samples.task}: "
            "expected two models of one task"
        )
    lacking = sorted(set(first.attributes) - set(other.attributes))
    added = sorted(set(other.attributes) - set(first.attributes))
    if lacking or added:
        parts = [
            f"{file.name} lacks {shorten(names)}"
            for file, names in ((other, lacking), (first, added))
            if names
        ]
        raise DataError(
            f"the attributes of {first.name} and {other.name} differ: {'; '.join(parts)}. "
            "Drop or rename columns so that both files have the same y__ and logit__ columns"
        )


def _arrange(file: Predictions, ids: pl.Series, attributes: tuple[str, ...]) -> Predictions:
    """Return the samples `ids` and the attributes in the order given."""
    if not file.samples.ids.equals(ids):
        file = file.take(places_of(ids, file.samples.ids))
    if file.attributes == attributes:
        return file
    order = [file.attributes.index(attribute) for attribute in attributes]
    samples = replace(file.samples, attributes=attributes, labels=file.samples.labels[:, order])
    thresholds = None if file.thresholds is None else file.thresholds[..., order]
    return replace(file, samples=samples, logits=file.logits[:, order], thresholds=thresholds)


def _merge(parts: Sequence[Samples], names: Sequence[str]) -> Samples:
    """Join what several files say of the same samples; they may not contradict each other."""
    merged = parts[0]
    for part, name in zip(parts[1:], names[1:], strict=True):
        if part is merged:
            continue
        both = (merged.labels != UNKNOWN) & (part.labels != UNKNOWN)
        conflict = both & (merged.labels != part.labels)
        if conflict.any():
            row, column = np.argwhere(conflict)[0]
            raise DataError(
                f"{names[0]} and {name} disagree on {conflict.sum()} labels, for example on "
                f"{merged.attributes[column]!r} of id {merged.ids[int(row)]!r}: expected one truth "
                "for all models"
            )
        groups = dict(merged.groups)
        for title, group in part.groups.items():
            groups[title] = _merge_group(groups.get(title, group), group, title, names[0], name)
        merged = replace(
            merged,
            labels=np.where(merged.labels == UNKNOWN, part.labels, merged.labels),
            groups=groups,
            cluster=merged.cluster or part.cluster,
            images=part.images if merged.images is None else merged.images,
        )
    return merged


def _merge_group(mine: Group, other: Group, title: str, my_name: str, name: str) -> Group:
    """Join what two files say of one group; a value that one does not know, the other tells."""
    kinds = sorted({type(value).__name__ for value in (*mine.values, *other.values)})
    if len(kinds) > 1:
        raise DataError(
            f"group {title!r} holds {' and '.join(kinds)} values in {my_name} and {name}: "
            "expected one type"
        )
    values = tuple(sorted({*mine.values, *other.values}))
    codes = {value: code for code, value in enumerate(values)}
    left, right = (
        np.array([*(codes[value] for value in group.values), UNKNOWN], np.int32)[group.codes]
        for group in (mine, other)
    )
    conflict = (left != UNKNOWN) & (right != UNKNOWN) & (left != right)
    if conflict.any():
        raise DataError(
            f"{my_name} and {name} disagree on the values of group {title!r} for {conflict.sum()} "
            "samples: expected one truth for all models"
        )
    return Group(np.where(left == UNKNOWN, right, left), values)
