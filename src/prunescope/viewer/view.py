"""A view: which answers of which two models are looked at, in what order; all of it in a URL."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, model_validator

from prunescope.viewer.area import LONGEST, PATTERN

YesNo = Literal["yes", "no"]
Sort = Literal["change", "flips", "risk", "margin", "dense", "compressed", "file"]

SORTS: dict[Sort, str] = {
    "change": "change of probability",
    "flips": "answers that flipped",
    "risk": "forecast risk",
    "margin": "dense model's doubt",
    "dense": "dense probability",
    "compressed": "compressed probability",
    "file": "order of the file",
}
"""What samples are sorted by, in words; the most of it first."""


class View(BaseModel):
    """What is looked at; an answer is one attribute of one sample.

    Parameters
    ----------
    model, against : str, optional
        The compressed model, and the one it is compared with, called dense here though it may be
        any. Default: the model that the audit's headline is about, and its baseline.
    attribute : str, optional
        Default: any; a sample is then shown by that of its answers that comes first.
    label : {"yes", "no", "unlabelled"}, optional
    dense, compressed : {"yes", "no"}, optional
        What they answer.
    flip : {"any", "harmful", "helpful", "none"}, optional
        Whether the answers differ, and whether a right one became wrong or a wrong one right.
    p_min, p_max : float
        Band that the dense model's probability of yes lies in.
    group : tuple of str
        Values of groups, all of which a sample has: ``Male=True`` and so on, at most one of each
        group; in double quotes where a name could be read as something else. One may be given as
        it is.
    riskiest : float, optional
        Among this share of all answers, by the forecast's risk.
    cie : bool
        Only compression-identified exemplars of the model's population.
    id : str, optional
        A part of the sample's id.
    area : str, optional
        A part of the map, as `prunescope.viewer.area.Area` writes it.
    sort : str
        A key of `SORTS`.
    order : {"desc", "asc"}
    page, size : int
        From 1; samples on a page.

    Examples
    --------
    >>> view = View(attribute="Bald", flip="harmful", page=2)
    >>> view.query()
    'attribute=Bald&flip=harmful&page=2'
    >>> view.query(page=1, label="no")
    'attribute=Bald&label=no&flip=harmful'
    >>> View(group=("Male=True", "Young=True")).query()
    'group=Male%3DTrue&group=Young%3DTrue'
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    model: str | None = Field(default=None, max_length=1000)
    against: str | None = Field(default=None, max_length=1000)
    attribute: str | None = Field(default=None, max_length=1000)
    label: Literal["yes", "no", "unlabelled"] | None = None
    dense: YesNo | None = None
    compressed: YesNo | None = None
    flip: Literal["any", "harmful", "helpful", "none"] | None = None
    p_min: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    p_max: float = Field(default=1.0, ge=0, le=1, allow_inf_nan=False)
    group: tuple[Annotated[str, Field(max_length=1000)], ...] = Field(default=(), max_length=100)
    riskiest: float | None = Field(default=None, gt=0, le=1, allow_inf_nan=False)
    cie: bool = False
    id: str | None = Field(default=None, max_length=1000)
    area: str | None = Field(default=None, max_length=LONGEST, pattern=PATTERN)
    sort: Sort = "change"
    order: Literal["desc", "asc"] = "desc"
    page: int = Field(default=1, ge=1, le=1_000_000)
    size: int = Field(default=60, ge=1, le=240)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, given: object) -> object:
        """Leave out what a form sends of fields that were not filled in."""
        if not isinstance(given, dict):
            return given
        told = {name: value for name, value in given.items() if value not in ("", None)}
        if groups := told.get("group"):
            several = [groups] if isinstance(groups, str) else groups
            told["group"] = [one for one in dict.fromkeys(several) if one != ""]
        return told

    def query(self, **changes: object) -> str:
        """Write the view, with some changes, as the query of a URL; defaults are left out."""
        changed = self.model_copy(update=changes)
        told = changed.model_dump(exclude_defaults=True)
        plain = {k: str(v).lower() if v is True else v for k, v in told.items()}
        return urlencode(plain, doseq=True)

    @property
    def unpaged(self) -> View:
        """The same view, whatever page of it is shown: it chooses the same answers."""
        return self.model_copy(update={"page": 1, "size": 60})
