"""Batches of a DataLoader: the images go to the model, the rest becomes `Samples`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Samples, Task
from prunescope.errors import ConfigError, DataError, shorten
from prunescope.predictions.given import Matrix, array_of
from prunescope.predictions.memory import samples_of

IMAGES = ("pixel_values", "images", "image")
LABELS = ("labels", "label")
"""Keys of batches that are dictionaries."""

INNER = ("sampler", "batch_sampler", "base_dataloader")
"""Where loaders, and what wraps them, keep what says their order."""


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
        shuffles = [type(one).__name__ for one in _samplers(batches) if _shuffles(one)]
        if shuffles and (not isinstance(ids, str) or isinstance(groups, Mapping)):
            raise ConfigError(
                f"the DataLoader draws an order of its own ({shuffles[0]}): give one with "
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
                given = array_of(labels)
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

    def samples(
        self,
        logits: NDArray[np.float32],
        model: object,
        attributes: Sequence[str] | None,
        classes: Sequence[str] | None,
    ) -> Samples:
        """Return what is known of the images that were given out.

        Parameters
        ----------
        logits : array (N, A)
            The model's answers to them.
        model : torch.nn.Module
            Says what they stand for, where neither `attributes` nor `classes` does.

        Raises
        ------
        ConfigError
            What the outputs stand for is not known.
        DataError
            A name, label, id or group is not what it should be.
        """
        if not self._n:
            raise DataError("the loader gave no images: expected at least one batch")
        if attributes is None and classes is None:
            names, task = told_by(model, logits.shape[1])
            labelled = self._labels[0] if self._labels else None
            one = labelled is not None and (labelled.ndim == 1 or labelled.shape[1] == 1)
            if task == "multiclass" or (task is None and one and len(names) > 1):
                classes = names
            else:
                attributes = names
        groups = self._groups
        if groups is not None and not isinstance(groups, Mapping):
            groups = {name: self._kept[name] for name in groups}
        return samples_of(
            [Matrix("the model's answer", logits)],
            self._all_labels(),
            attributes=attributes,
            classes=classes,
            groups=groups,
            ids=self.ids,
        )

    @property
    def ids(self) -> Any:  # noqa: ANN401 - any sequence
        """What names the images that were given out; None where nothing does."""
        return self._kept[self._ids] if isinstance(self._ids, str) else self._ids

    def _all_labels(self) -> NDArray[Any] | None:
        """Return the labels of all batches; in a loader −1 means unlabelled, as NaN does."""
        if not self._labels:
            return None
        if len({one.shape[1:] for one in self._labels}) > 1:
            raise DataError("the labels of the batches have different shapes: expected one")
        given = np.concatenate(self._labels)
        if len(given) != self._n:
            raise DataError("some batches have labels and some have none: expected them in all")
        if given.dtype.kind in "if" and (given == UNKNOWN).any():
            return np.where(given == UNKNOWN, np.nan, given)
        return given

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


def told_by(model: object, n_outputs: int) -> tuple[tuple[str, ...], Task | None]:
    """Return what a model itself says that its outputs stand for, and its task if it says so.

    Raises
    ------
    ConfigError
        It does not say.
    """
    spec: Any = getattr(model, "spec", None)
    if hasattr(spec, "attributes") and hasattr(spec, "task"):  # of a Classifier
        return spec.attributes, spec.task
    config: Any = getattr(model, "config", None)
    names, task = None, None
    if getattr(config, "id2label", None):
        from prunescope.models.labels import names_of_outputs, task_of  # torch comes with it

        names, task = names_of_outputs(config), task_of(config)
    if names is None or len(names) != n_outputs:
        raise ConfigError(
            f"what do the {n_outputs} outputs of the model stand for? Name them, in order: "
            "attributes=[…], or classes=[…] where one of them is chosen"
        )
    return names, task


def _samplers(loader: object) -> Iterator[object]:
    """Give what says the order of a loader, that of loaders and samplers within included."""
    for name in INNER:
        inner = getattr(loader, name, None)
        if inner is not None:
            yield inner
            yield from _samplers(inner)


def _shuffles(sampler: object) -> bool:
    """Tell whether a sampler draws an order of its own."""
    name = type(sampler).__name__
    return "Random" in name or "Grouped" in name or getattr(sampler, "shuffle", False) is True


def _plain(values: Any) -> list[Any]:  # noqa: ANN401 - any sequence
    """Return a sequence, tensor or series as a list of plain values; NaN becomes None."""
    if hasattr(values, "detach"):
        values = array_of(values)
    listed = values.tolist() if hasattr(values, "tolist") else list(values)
    return [None if isinstance(one, float) and one != one else one for one in listed]
