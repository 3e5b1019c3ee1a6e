"""What a study is: one base, and what varies from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from prunescope.data import DataConfig
from prunescope.data.backdoors import Backdoor
from prunescope.errors import ConfigError, one_of, outside_share, reasons

if TYPE_CHECKING:
    from prunescope.training import Recipe

PER_RUN = ("seed", "deterministic")
"""Settings of a recipe that a study has in a place of their own."""


def to_recipe(told: str | dict[str, Any]) -> Recipe:
    """Return the recipe of a name, or of settings; ``like`` names one to start from.

    Examples
    --------
    >>> to_recipe({"like": "small", "epochs": 2}).learning_rate
    1.0
    """
    from prunescope.training import RECIPES, Recipe

    settings = {"like": told} if isinstance(told, str) else dict(told)
    for name in PER_RUN:
        if name in settings:
            where = "the list 'seeds'" if name == "seed" else f"'{name}' of the whole study"
            raise ValueError(f"leave {name!r} out of the recipe: expected it in {where}")
    like = settings.pop("like", None)
    try:
        if like is None:
            return Recipe(**settings)
        if like not in RECIPES:
            raise ValueError(one_of("recipe", str(like), RECIPES))
        return RECIPES[like].replace(**settings)
    except ValidationError as error:
        raise ValueError(reasons(error, "recipe")) from error
    except ConfigError as error:
        raise ValueError(str(error)) from error


def _listed(value: object) -> object:
    """Take a single value for a list of one."""
    return value if isinstance(value, list | tuple) else [value]


def _once(values: Sequence[object]) -> Sequence[object]:
    """Raise where a value is named twice: the runs would be the same."""
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise ValueError(f"{twice[0]!r} is named twice, which gives two runs with one key")
    return values


class Grid(BaseModel):
    """Runs to make: every combination of what stands in the lists.

    Parameters
    ----------
    architectures : list of str
        As for `prunescope.models.build_model`.
    methods : list of str
        Keys of `prunescope.pruning.METHODS`.
    sparsities : list of float
        In (0, 1).
    seeds : list of int
        Each trains a dense model of its own, and pruned ones.
    single : list of str or "all"
        Attributes that are trained alone, one model for each, instead of jointly.
    backdoors : list of Backdoor
        Triggers to plant, one data set for each, instead of the clean data.
    recipe : str or dict
        How everything trains that starts from random weights, dense models and sparse ones alike:
        a name, or settings, with ``like: NAME`` to start from.
    recipe_pt : str or dict
        How pruning trains that goes on from a trained dense model.
    int8 : bool
        Also quantise each dense model: a control that should change next to nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    architectures: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)]
    methods: Annotated[tuple[str, ...], BeforeValidator(_listed)]
    sparsities: Annotated[tuple[float, ...], BeforeValidator(_listed)]
    seeds: Annotated[tuple[int, ...], BeforeValidator(_listed), Field(min_length=1)] = (0,)
    single: tuple[str, ...] | Literal["all"] = ()
    backdoors: Annotated[tuple[Backdoor, ...], BeforeValidator(_listed)] = ()
    recipe: str | dict[str, Any] = "small"
    recipe_pt: str | dict[str, Any] = "small-pt"
    int8: bool = False

    @field_validator("single", mode="before")
    @classmethod
    def _check_single(cls, value: object) -> object:
        return value if value == "all" else _listed(value)

    @field_validator("architectures", "methods", "sparsities", "seeds", "single", "backdoors")
    @classmethod
    def _check_once(cls, values: Sequence[object]) -> Sequence[object]:
        return values if isinstance(values, str) else _once(values)

    @field_validator("architectures")
    @classmethod
    def _check_architectures(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from prunescope.models import architecture_of

        for name in names:
            if ":" not in name:
                try:
                    architecture_of(name)
                except ConfigError as error:
                    raise ValueError(str(error)) from error
        return names

    @field_validator("methods")
    @classmethod
    def _check_methods(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        from prunescope.pruning import METHODS

        for name in names:
            if name not in METHODS:
                raise ValueError(one_of("method", name, METHODS))
        return names

    @field_validator("sparsities")
    @classmethod
    def _check_sparsities(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        for value in values:
            if not 0 < value < 1:
                raise ValueError(outside_share("sparsity", value))
        return values

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        if min(values) < 0:
            raise ValueError(f"seed {min(values)}: expected 0 or more")
        return values

    @field_validator("recipe", "recipe_pt")
    @classmethod
    def _check_recipe(cls, told: str | dict[str, Any]) -> str | dict[str, Any]:
        to_recipe(told)
        return told


class AuditChoices(BaseModel):
    """How the runs are audited: on which split, and settings of `prunescope.audit.Settings`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    split: str = "test"
    replicates: int = Field(default=1000, ge=0, le=100_000)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    min_support: int = Field(default=10, ge=1)
    min_effect: dict[str, float] = {}


class StudyConfig(BaseModel):
    """A whole study, as ``study.yaml`` tells it.

    Parameters
    ----------
    name : str
    data : DataConfig
    splits : tuple of str
        Which splits every model answers; those that measures are fitted to, and the audited one.
    audit : AuditChoices
    threads : int
        Processor threads of one run, the same however many runs are made at once: another number
        may round differently.
    gpus : float
        Share of a GPU that one run takes on a Ray cluster.
    deterministic : bool
        Only operations that give the same bits each time.
    grids : tuple of Grid
        The base with what varies filled in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    data: DataConfig
    splits: Annotated[tuple[str, ...], BeforeValidator(_listed)] = ("val", "test")
    audit: AuditChoices = AuditChoices()
    threads: int = Field(default=1, ge=1)
    gpus: float = Field(default=0, ge=0)
    deterministic: bool = True
    grids: tuple[Grid, ...]

    @field_validator("data")
    @classmethod
    def _check_data(cls, data: DataConfig) -> DataConfig:
        if data.backdoor is not None:
            raise ValueError("leave 'backdoor' out of the data: expected the list 'backdoors'")
        return data

    @property
    def asked(self) -> tuple[str, ...]:
        """The splits that every model answers, the audited one among them."""
        return tuple(dict.fromkeys((*self.splits, self.audit.split)))
