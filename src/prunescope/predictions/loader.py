"""Batches of a DataLoader: the images go to the model, the rest becomes `Samples`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.data.samples import UNKNOWN, Group, Samples, Task
from prunescope.errors import ConfigError, DataError, shorten

IMAGES = ("pixel_values", "images", "image")
LABELS = ("labels", "label")
"""Keys of batches that are dictionaries."""

SHUFFLES = ("RandomSampler", "SubsetRandomSampler", "WeightedRandomSampler")
"""Samplers of torch that draw an order of their own."""


class LoaderReader:
    """Gives the images of batches one after the other, and keeps what comes with them.

    Parameters
    ----------
    batches : iterable
    ids : sequence, str or None
    groups : mapping, sequence of str or None
        As for `prunescope.predict`.

    Raises
    ------
    ConfigError
        It shuffles, so that two models' answers would not stand in one order.
    """

    def __init__(
        self,
        batches: Iterable[Any],
        ids: Sequence[Any] | str | None,
        groups: Mapping[str, Any] | Sequence[str] | None,
    ) -> None:
        sampler = type(getattr(batches, "sampler", None)).__name__
        if sampler in SHUFFLES and (not isinstance(ids, str) or isinstance(groups, Mapping)):
            raise ConfigError(
                f"the DataLoader draws an order of its own ({sampler}): give one with "
                "shuffle=False, or name the keys of each batch that have ids and groups"
            )
        self._batches, self._ids, self._groups = batches, ids, groups
        keys = [] if groups is None or isinstance(groups, Mapping) else list(groups)
        self._kept: dict[str, list[Any]] = {key: [] for key in keys}
        if isinstance(ids, str):
            self._kept[ids] = []
        self._labels: list[NDArray[Any]] = []
        self._n = 0

    def __iter__(self) -> Iterator[Any]:
        for number, batch in enumerate(self._batches, start=1):
            images, labels = self._parts(batch, number)
            if not hasattr(images, "__len__"):
                raise DataError(
                    f"batch {number} has {type(images).__name__} for images: expected a tensor"
                )
            n = len(images)
            if labels is not None:
                given = _array(labels)
                if len(given) != n:
                    raise DataError(
                        f"batch {number} has {n} images and {len(given)} labels: "
                        "expected one for each"
                    )
                self._labels.append(given)
            self._n += n
            yield images

    def progress(self, report: Callable[[int, int], None] | None) -> Callable[[int], None] | None:
        """Return what to call with the number of images done; None if all are not known."""
        source: Any = getattr(self._batches, "dataset", None)
        if report is None or not hasattr(source, "__len__"):
            return None
        total = len(source)
        return lambda done: report(done, total)

    def samples(self, attributes: tuple[str, ...], n_outputs: int, task: Task | None) -> Samples:
        """Return what is known of the images that were given out.

        Raises
        ------
        ConfigError
            The names are too many or too few.
        DataError
            A label, id or group is not what it should be.
        """
        if not self._n:
            raise DataError("the loader gave no images: expected at least one batch")
        if len(attributes) != n_outputs:
            raise ConfigError(
                f"the model has {n_outputs} outputs, but {len(attributes)} are named: "
                f"{shorten(attributes)}"
            )
        labels, found = self._labels_of(attributes, task)
        ids = self._kept[self._ids] if isinstance(self._ids, str) else self._ids
        if ids is None:
            ids = range(self._n)
        groups = self._groups
        if groups is not None and not isinstance(groups, Mapping):
            groups = {name: self._kept[name] for name in groups}
        return Samples(
            pl.Series("id", [str(one) for one in self._each("ids", ids)], dtype=pl.String),
            attributes,
            labels,
            {
                name: Group.from_series(pl.Series(name, self._each(f"group {name!r}", values)))
                for name, values in (groups or {}).items()
            },
            task=found,
        )

    def _parts(self, batch: Any, number: int) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
        """Return the images and labels of a batch, and keep what else was asked for."""
        if isinstance(batch, Mapping):
            for key, kept in self._kept.items():
                if key not in batch:
                    raise DataError(f"batch {number} has no {key!r}: it has {shorten(batch)}")
                kept.extend(_plain(batch[key]))
            image = next((key for key in IMAGES if key in batch), None)
            if image is None:
                raise DataError(
                    f"batch {number} has no images: expected one of the keys {shorten(IMAGES)}; "
                    f"it has {shorten(batch)}"
                )
            return batch[image], next((batch[key] for key in LABELS if key in batch), None)
        if self._kept:
            raise ConfigError(
                f"batch {number} is a {type(batch).__name__}, which has no keys such as "
                f"{shorten(self._kept)}: expected a dictionary, or give the values themselves"
            )
        if isinstance(batch, tuple | list):
            if not batch:
                raise DataError(f"batch {number} is empty: expected (images, labels)")
            return batch[0], batch[1] if len(batch) > 1 else None
        return batch, None

    def _labels_of(
        self, attributes: tuple[str, ...], task: Task | None
    ) -> tuple[NDArray[np.int8], Task]:
        shape = (self._n, len(attributes))
        if not self._labels:
            return np.full(shape, UNKNOWN, np.int8), task or "multilabel"
        if len({one.shape[1:] for one in self._labels}) > 1:
            raise DataError("the labels of the batches have different shapes: expected one")
        given = np.concatenate(self._labels)
        if given.shape == (self._n, 1) and len(attributes) > 1:
            given = given[:, 0]
        by_position = given.ndim == 1 and (len(attributes) > 1 or task == "multiclass")
        if given.ndim == 1 and not by_position:
            given = given[:, None]
        if len(given) != self._n or not (by_position or given.shape == shape):
            raise DataError(
                f"labels have shape {given.shape} for {self._n} images: expected {shape} of 0 and "
                f"1 for attributes, or ({self._n},) of positions for classes"
            )
        if by_position:
            return _one_hot(given, attributes), "multiclass"
        return _zero_one(given, attributes), task or "multilabel"

    def _each(self, what: str, values: Any) -> list[Any]:  # noqa: ANN401 - any sequence
        listed = _plain(values)
        if len(listed) != self._n:
            raise DataError(f"{what}: got {len(listed)} for {self._n} images; expected one each")
        return listed


def names_of(model: Any, n_outputs: int) -> Sequence[str]:  # noqa: ANN401 - a module
    """Return what the model itself says that its outputs stand for.

    Raises
    ------
    ConfigError
        It does not say.
    """
    spec = getattr(model, "spec", None)
    if spec is not None and hasattr(spec, "attributes"):
        return tuple(spec.attributes)
    told = getattr(getattr(model, "config", None), "id2label", None) or {}
    names = [str(told[i]) for i in range(n_outputs) if i in told]
    if len(names) != n_outputs or names == [f"LABEL_{i}" for i in range(n_outputs)]:
        raise ConfigError(
            f"what do the {n_outputs} outputs of the model stand for? Name them, in order: "
            "attributes=[…]"
        )
    return names


def _array(values: Any) -> NDArray[Any]:  # noqa: ANN401 - an array, a tensor of any type, a list
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        values = values.double() if values.is_floating_point() else values
    return np.asarray(values)


def _plain(values: Any) -> list[Any]:  # noqa: ANN401 - any sequence
    """Return a sequence, tensor or series as a list of plain values; NaN becomes None."""
    if hasattr(values, "detach"):
        values = _array(values)
    listed = values.tolist() if hasattr(values, "tolist") else list(values)
    return [None if isinstance(one, float) and one != one else one for one in listed]


def _zero_one(given: NDArray[Any], attributes: tuple[str, ...]) -> NDArray[np.int8]:
    """Read labels of attributes."""
    numbers = _numbers(given)
    known = np.isin(numbers, (0, 1))
    wrong = ~known & (numbers != UNKNOWN)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"the label of {attributes[column]!r} of image {row} is {given[row, column]}: expected "
            "1, 0, or −1 or NaN where it is not known"
        )
    return numbers.astype(np.int8)


def _one_hot(given: NDArray[Any], classes: tuple[str, ...]) -> NDArray[np.int8]:
    """Read positions of classes; an unlabelled image's row is all −1."""
    numbers = _numbers(given)
    wrong = ~np.isin(numbers, np.arange(UNKNOWN, len(classes)))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            f"the label of image {row} is {given[row]}: expected the position of a class, 0 to "
            f"{len(classes) - 1}, or −1 or NaN where it is not known"
        )
    labels: NDArray[np.int8] = (numbers[:, None] == np.arange(len(classes))).astype(np.int8)
    labels[numbers == UNKNOWN] = UNKNOWN
    return labels


def _numbers(given: NDArray[Any]) -> NDArray[np.float64]:
    try:
        return np.nan_to_num(given.astype(np.float64), nan=UNKNOWN, posinf=np.inf, neginf=-np.inf)
    except (TypeError, ValueError) as error:
        raise DataError(f"labels are {given.dtype}: expected numbers") from error
