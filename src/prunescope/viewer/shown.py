"""What is shown of samples and answers, as data: what the API sends and the pages draw."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import BaseModel

from prunescope.data.columns import UNKNOWN
from prunescope.predictions.ids import ABSENT
from prunescope.viewer.collection import Collection, Model
from prunescope.viewer.select import Selection


class Answer(BaseModel):
    """What two models answer about one attribute of one sample.

    `label` is null where unlabelled; `flip` is null where the models agree. Probabilities are of
    yes. `risk` and `why` come from a forecast, where there is one.
    """

    attribute: str
    label: bool | None
    dense: bool
    compressed: bool
    p_dense: float
    p_compressed: float
    flip: Literal["harmful", "helpful", "unlabelled"] | None
    risk: float | None = None
    why: str | None = None


class Card(BaseModel):
    """One sample of a grid, by one of its answers; `image` is a path within the viewer."""

    id: str
    image: str | None
    n_flips: int
    answer: Answer


class Said(BaseModel):
    """What one model answers."""

    model: str
    yes: bool
    probability: float


class Question(BaseModel):
    """One attribute of a sample, and what every model answers."""

    answer: Answer
    said: list[Said]


class Sample(BaseModel):
    """One sample: its image, its groups, and every answer about it."""

    id: str
    image: str | None
    groups: dict[str, str]
    questions: list[Question]


def answer(collection: Collection, pair: tuple[Model, Model], row: int, column: int) -> Answer:
    """Describe what a pair of models answers about one attribute of one sample."""
    dense, compressed = pair
    code = int(collection.samples.labels[row, column])
    label = None if code == UNKNOWN else bool(code)
    before, after = bool(dense.yes[row, column]), bool(compressed.yes[row, column])
    flip: Literal["harmful", "helpful", "unlabelled"] | None = None
    if before != after:
        flip = "unlabelled" if label is None else "harmful" if label == before else "helpful"
    forecast = collection.risk
    risk = why = None
    if forecast is not None and not np.isnan(forecast.risk[row, column]):
        risk = float(forecast.risk[row, column])
        why = forecast.reasons[forecast.why[row, column]]
    return Answer(
        attribute=collection.samples.attributes[column],
        label=label,
        dense=before,
        compressed=after,
        p_dense=round(float(dense.probability[row, column]), 4),
        p_compressed=round(float(compressed.probability[row, column]), 4),
        flip=flip,
        risk=risk,
        why=why,
    )


def cards(collection: Collection, pair: tuple[Model, Model], chosen: Selection) -> list[Card]:
    """Describe the samples of a page."""
    dense, compressed = pair
    flips = (dense.yes[chosen.rows] != compressed.yes[chosen.rows]).sum(axis=1)
    ids = collection.samples.ids.gather(chosen.rows)
    return [
        Card(
            id=key,
            image=image_of(collection, row),
            n_flips=n_flips,
            answer=answer(collection, pair, row, column),
        )
        for key, row, column, n_flips in zip(
            ids, chosen.rows.tolist(), chosen.columns.tolist(), flips.tolist(), strict=True
        )
    ]


def sample(collection: Collection, pair: tuple[Model, Model], row: int) -> Sample:
    """Describe one sample; flipped answers first, then by how far their probability moved."""
    groups = {}
    for name, group in collection.samples.groups.items():
        code = int(group.codes[row])
        groups[name] = "unknown" if code == UNKNOWN else str(group.values[code])
    questions = []
    for column in range(len(collection.samples.attributes)):
        said = [
            Said(
                model=model.name,
                yes=bool(model.yes[row, column]),
                probability=round(float(model.probability[row, column]), 4),
            )
            for model in collection.models.values()
        ]
        questions.append(Question(answer=answer(collection, pair, row, column), said=said))
    questions.sort(
        key=lambda q: (q.answer.flip is None, -abs(q.answer.p_compressed - q.answer.p_dense))
    )
    return Sample(
        id=collection.samples.ids[row],
        image=image_of(collection, row),
        groups=groups,
        questions=questions,
    )


def image_of(collection: Collection, row: int) -> str | None:
    """Return where a sample's image is, from the viewer's address on, if there is one."""
    return None if collection.places[row] == ABSENT else f"image/{row}"
