"""What programs, and the pages' own script, ask the viewer: all of it under ``/api``, as JSON."""

from __future__ import annotations

import io
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from prunescope.errors import ConfigError
from prunescope.predictions.ids import ABSENT
from prunescope.predictions.spreadsheets import as_csv
from prunescope.viewer import shown
from prunescope.viewer.decisions import Answer, Decision
from prunescope.viewer.explainer import Asked, Explained
from prunescope.viewer.site import TheSite, TheView

router = APIRouter()

Responses = dict[int | str, dict[str, Any]]

NOT_FOUND: Responses = {404: {"description": "Something that was named is not there."}}
WRITES: Responses = NOT_FOUND | {
    403: {"description": "The token is not there, or the request is another site's."},
    503: {"description": "The decision cannot be written down."},
}
WORKS: Responses = WRITES | {503: {"description": "It is not ready yet, or cannot be made."}}
TABLE: Responses = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
PICTURE: Responses = {200: {"content": {"image/png": {"schema": {"type": "string"}}}}}

Session = Annotated[
    str, Query(min_length=1, max_length=100, description="Where it is looked at: any text.")
]


class Samples(BaseModel):
    """One page of a view."""

    total: int
    page: int
    pages: int
    samples: list[shown.Card]


class Progress(BaseModel):
    """How far a review is; `reviewers` counts the items that each decided on, of any view."""

    decided: int
    total: int
    reviewers: dict[str, int]


class Item(BaseModel):
    """An answer to review, at `position` of the queue; null where nothing is left."""

    position: int | None
    id: str | None = None
    image: str | None = None
    answer: shown.Answer | None = None
    progress: Progress


class Judgement(BaseModel):
    """What a reviewer decides on an item."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(max_length=1000)
    attribute: str = Field(max_length=1000)
    answer: Answer
    by: str = Field(min_length=1, max_length=100)


class Who(BaseModel):
    """Whose last decision is to be taken back."""

    model_config = ConfigDict(extra="forbid")

    by: str = Field(min_length=1, max_length=100)


class Undone(BaseModel):
    """What was taken back; null where there was nothing."""

    undone: Decision | None


@router.get("/api/samples", responses=NOT_FOUND)
def samples(site: TheSite, view: TheView) -> Samples:
    """Return the samples that a view shows, one page of them."""
    chosen = site.selector.samples(view.unpaged)
    return Samples(
        total=len(chosen),
        page=view.page,
        pages=-(-len(chosen) // view.size),
        samples=shown.cards(
            site.collection, site.selector.pair(view), chosen.part(view.page, view.size)
        ),
    )


@router.get("/api/sample", responses=NOT_FOUND)
def sample(
    site: TheSite,
    id: Annotated[str, Query(max_length=1000)],
    model: Annotated[str | None, Query(max_length=1000)] = None,
    against: Annotated[str | None, Query(max_length=1000)] = None,
) -> shown.Sample:
    """Return one sample with every model's answers."""
    collection = site.collection
    compressed = collection.model(model)
    pair = collection.against(compressed, against), compressed
    return shown.sample(collection, pair, collection.row(id))


@router.post("/api/explain", responses=WORKS)
def explain(site: TheSite, asked: Asked) -> Explained:
    """Return where two models look, for one answer about one sample; the first time it takes long.

    It changes nothing, and takes the token for the work that it is.
    """
    return site.explainer.explain(asked)


After = Annotated[int, Query(ge=-1, le=1_000_000, description="The position looked at before.")]


@router.get("/api/review/next", responses=NOT_FOUND)
def upcoming(site: TheSite, view: TheView, session: Session, after: After = -1) -> Item:
    """Return the next undecided answer of a view, which nobody else is looking at."""
    site.decisions.refresh()
    return _item(site, view, site.queue.next(view, session, after, hold=False))


@router.post("/api/review/next", responses=WRITES)
def following(site: TheSite, view: TheView, session: Session, after: After = -1) -> Item:
    """Return the same, and keep it from others, for this session looks at it."""
    return _item(site, view, site.queue.next(view, session, after, hold=True))


def _item(site: TheSite, view: TheView, position: int | None) -> Item:
    progress = _progress(site, view)
    if position is None:
        return Item(position=None, progress=progress)
    chosen = site.selector.queue(view.unpaged)
    row, column = int(chosen.rows[position]), int(chosen.columns[position])
    return Item(
        position=position,
        id=site.collection.samples.ids[row],
        image=shown.image_of(site.collection, row),
        answer=shown.answer(site.collection, site.selector.pair(view), row, column),
        progress=progress,
    )


@router.get("/api/review/progress", responses=NOT_FOUND)
def progress(site: TheSite, view: TheView) -> Progress:
    """Return how far the review of a view is."""
    site.decisions.refresh()
    return _progress(site, view)


def _progress(site: TheSite, view: TheView) -> Progress:
    decided, total = site.queue.progress(view)
    return Progress(decided=decided, total=total, reviewers=site.decisions.counts)


@router.post("/api/review/decisions", responses=WRITES, status_code=201)
def decide(site: TheSite, judgement: Judgement) -> Decision:
    """Write a decision down; when this is answered, it is on the disk."""
    collection = site.collection
    row, column = collection.row(judgement.id), collection.column(judgement.attribute)
    label = {1: True, 0: False}.get(int(collection.samples.labels[row, column]))
    if judgement.answer == "label_wrong" and label is None:
        raise ConfigError(
            f"{judgement.attribute} of {judgement.id} has no label that could be wrong"
        )
    return site.decisions.add(
        judgement.id, judgement.attribute, judgement.answer, by=judgement.by, label=label
    )


@router.post("/api/review/undo", responses=WRITES)
def undo(site: TheSite, who: Who) -> Undone:
    """Take a reviewer's last decision back; again: the one before that."""
    return Undone(undone=site.decisions.undo(who.by))


@router.get(
    "/api/review/export.csv",
    response_class=Response,
    responses=TABLE,
)
def export(site: TheSite) -> Response:
    """Return all decisions, one row per item."""
    site.decisions.refresh()
    told = {"Content-Disposition": 'attachment; filename="decisions.csv"'}
    return Response(as_csv(site.decisions.table()), media_type="text/csv", headers=told)


@router.get(
    "/image/{row}",
    response_class=Response,
    responses=PICTURE | NOT_FOUND,
)
def image(site: TheSite, row: Annotated[int, Path(ge=0, le=2**31)]) -> Response:
    """Return the image of a sample, by its row, as the models saw it."""
    collection = site.collection
    if row >= len(collection.samples) or collection.places[row] == ABSENT:
        raise ConfigError(f"no image of row {row}")
    assert collection.dataset is not None
    pixels = collection.dataset.images(collection.places[row : row + 1])[0]
    picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    kept = {"Cache-Control": "private, max-age=3600"}
    return Response(buffer.getvalue(), media_type="image/png", headers=kept)
