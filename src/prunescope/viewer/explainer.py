"""`Explainer`: why an answer flipped, from the models' checkpoints; worked out on request, kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from prunescope.errors import ConfigError, DataError, one_of, shorten
from prunescope.predictions.ids import ABSENT
from prunescope.viewer.collection import Collection

if TYPE_CHECKING:
    from prunescope.explain import Explanation
    from prunescope.models import Classifier

PATIENCE = 45.0
"""Seconds that a request waits; what takes longer goes on, and is there when asked for again."""

MOST_KEPT = 64
"""Answers whose pictures are kept, about half a megabyte each."""

MOST_WAITING = 8
"""Answers that may be worked on or wait for it."""

FAR = 0.02
"""Difference of probabilities from which a checkpoint counts as another model than the audit's."""

MAPS = ("dense", "compressed", "difference")

Method = Literal["gradcam", "gradients"]


class Asked(BaseModel):
    """Which answer is to be explained; without a method, by the one that suits both models."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(max_length=1000)
    attribute: str = Field(max_length=1000)
    model: str = Field(max_length=1000)
    against: str = Field(max_length=1000)
    method: Method | None = None


class Picture(BaseModel):
    """A map as a PNG within a ``data:`` address, and what it shows in words."""

    kind: str
    title: str
    note: str
    alt: str
    src: str


class Explained(BaseModel):
    """Where two models look; `checks` are the same maps of networks that learned nothing."""

    method: Method
    told: list[str]
    warnings: list[str]
    maps: list[Picture]
    checks: list[Picture]


class Explainer:
    """Explains answers about a collection with the checkpoints of its models.

    One answer is worked on at a time, in a thread of its own, so that pages are answered meanwhile.

    Parameters
    ----------
    collection : Collection
        With images.
    models : mapping of str to Classifier
        By their names in the audit.

    Raises
    ------
    ConfigError
        A name is no model of the audit, a model does not fit its attributes or the images, or there
        are no images.
    """

    def __init__(self, collection: Collection, models: Mapping[str, Classifier]) -> None:
        for name, model in models.items():
            _check(collection, name, model)
        self._collection, self._models = collection, dict(models)
        self._kept: OrderedDict[Asked, Future[Explained]] = OrderedDict()
        self._lock, self._turn = threading.Lock(), threading.Lock()

    @classmethod
    def load(
        cls, collection: Collection, folders: Mapping[str, Path], factory: str | None = None
    ) -> Explainer:
        """Load checkpoints, by the names of their models in the audit.

        Raises
        ------
        CheckpointError
            One cannot be loaded.
        ConfigError
            See the class.
        """
        if not folders:
            return cls(collection, {})  # without torch, which is slow to start and may not be there
        from prunescope.models import load_checkpoint

        for name in folders:
            collection.model(name)
        loaded = {
            name: load_checkpoint(folder, factory=factory).model for name, folder in folders.items()
        }
        return cls(collection, loaded)

    def lacks(self, *names: str) -> list[str]:
        """Return which of some models have no checkpoint here."""
        return [name for name in dict.fromkeys(names) if name not in self._models]

    def explain(self, asked: Asked) -> Explained:
        """Explain an answer.

        Raises
        ------
        ConfigError
            Something that is named is not there.
        DataError
            It is not ready yet, others are waiting, or the models give no finite numbers.
        """
        collection = self._collection
        row = collection.row(asked.id)
        collection.column(asked.attribute)
        for name in (asked.against, asked.model):
            collection.model(name)
        if lacking := self.lacks(asked.against, asked.model):
            raise ConfigError(
                f"no checkpoint of {shorten(lacking)}: start the viewer with --checkpoint "
                f"'{lacking[0]}=FOLDER'"
            )
        if collection.places[row] == ABSENT:
            raise ConfigError(f"no image of {asked.id}, so nothing can be explained")
        try:
            return self._work(asked, row).result(timeout=PATIENCE)
        except TooLate as error:
            raise DataError(
                f"this takes more than {PATIENCE:.0f} seconds and goes on: ask again in a moment"
            ) from error

    def _work(self, asked: Asked, row: int) -> Future[Explained]:
        """Return the work on an answer: what is kept or under way, or else begun now."""
        with self._lock:
            kept = self._kept.get(asked)
            if kept is not None and not (kept.done() and kept.exception()):
                self._kept.move_to_end(asked)
                return kept
            if sum(not work.done() for work in self._kept.values()) >= MOST_WAITING:
                raise DataError(
                    f"{MOST_WAITING} answers are being explained already: ask again in a moment"
                )
            work: Future[Explained] = Future()
            self._kept[asked] = work
            self._kept.move_to_end(asked)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        # Daemons, which do not keep a viewer that is stopped from ending.
        threading.Thread(target=self._run, args=(work, asked, row), daemon=True).start()
        return work

    def _run(self, work: Future[Explained], asked: Asked, row: int) -> None:
        with self._turn:
            try:
                work.set_result(self._explained(asked, row))
            except Exception as error:  # whoever waits is told
                work.set_exception(error)

    def _explained(self, asked: Asked, row: int) -> Explained:
        from prunescope.explain import captions, explain, told, warnings_of
        from prunescope.explain.pictures import data_uri, drawn

        collection = self._collection
        assert collection.dataset is not None  # or it had no place
        pixels = collection.dataset.images(collection.places[row : row + 1])
        models = self._models[asked.against], self._models[asked.model]
        [found] = explain(*models, pixels, asked.attribute, method=asked.method)
        names = asked.against, asked.model
        drawings = drawn(pixels[0], found)
        pictures = [
            Picture(**one.model_dump(), src=data_uri(drawings[one.kind]))
            for one in captions(found, asked.id, *names)
        ]
        return Explained(
            method=found.method,
            told=told(found, *names),
            warnings=[*self._strange(asked, row, found), *warnings_of(found, *names)],
            maps=[one for one in pictures if one.kind in MAPS],
            checks=[one for one in pictures if one.kind not in (*MAPS, "image")],
        )

    def _strange(self, asked: Asked, row: int, found: Explanation) -> list[str]:
        """Tell where a checkpoint answers otherwise than the file that the audit was made of."""
        column = self._collection.column(asked.attribute)
        said = []
        for name, one in ((asked.against, found.dense), (asked.model, found.compressed)):
            filed = float(self._collection.models[name].probability[row, column])
            if abs(filed - one.probability) > FAR:
                said.append(
                    f"The checkpoint of {name} answers {one.probability:.2f}, the audit's file "
                    f"says {filed:.2f}: it may be another model, or its answers were adjusted "
                    "afterwards."
                )
        return said


def _check(collection: Collection, name: str, model: Classifier) -> None:
    """Raise unless a checkpoint is of a model of the audit, and takes its images."""
    if name not in collection.models:
        raise ConfigError(one_of("model", name, collection.models))
    if collection.dataset is None:
        raise ConfigError(
            "checkpoints explain answers about images, and there are none: name their data set by "
            "--data"
        )
    spec, samples = model.spec, collection.samples
    if spec.task != samples.task or sorted(spec.attributes) != sorted(samples.attributes):
        raise ConfigError(
            f"the checkpoint of {name} answers {shorten(spec.attributes)} ({spec.task}), the audit "
            f"is about {shorten(samples.attributes)} ({samples.task}): name the one that made its "
            "answers"
        )
    if spec.image_size != collection.dataset.size:
        raise ConfigError(
            f"the checkpoint of {name} takes images of {spec.image_size} px, those of "
            f"{collection.dataset.name} have {collection.dataset.size}: load them at its size"
        )
