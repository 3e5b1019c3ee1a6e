"""Conditions of a policy: what they bound, and what counts as passing."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from prunescope.audit import Budget, Constraint, Where
from prunescope.errors import ConfigError
from prunescope.yaml_source import brief

Level = Literal["pass", "warn", "fail"]


class Strict(BaseModel):
    """A part of a policy: frozen, no key but its own, no text for a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _number(given: object) -> object:
    """Refuse text, which YAML makes of ``1e-3`` and of ``5%``."""
    if isinstance(given, str):
        raise ValueError(f"{brief(given)} is text: expected a number, such as 0.05 or 1.0e-3")
    return given


def _names(given: object) -> object:
    """Refuse what is no name, nor a list of names."""
    if any(not isinstance(one, str) for one in (given if isinstance(given, list) else [given])):
        raise ValueError(f"{brief(given)}: expected a name or a list of names, numbers in quotes")
    if given == []:
        raise ValueError("an empty list names nothing: leave it out")
    return given


def _value(given: object) -> object:
    """Write a value of a group as the audit table does."""
    if not isinstance(given, bool | int | str):
        raise ValueError(f"{brief(given)}: expected a value of the group, such as true or 'brown'")
    return str(given)


Limit = Annotated[float, BeforeValidator(_number)]
Names = Annotated[str | list[str], BeforeValidator(_names)]
Value = Annotated[str, BeforeValidator(_value)]


class Defaults(Strict):
    """How a condition is judged; what a condition leaves out, the policy's `defaults` say.

    Parameters
    ----------
    by : {"interval", "value"}
        What must hold: the whole interval, so that its unfavourable end decides, or the value.
        (Not ``on``, which YAML reads as true.)
    relative : bool
        Whether the limits bound the change from dense, not the value itself.
    severity : {"error", "warning"}
        Whether the gate fails, or only warns, where the condition does.
    min_support : int
        Rows whose `n` is smaller count as ``insufficient_support``. 0: as the audit says.
    insufficient_support : {"pass", "warn", "fail"}
        What a row means that the data offer too little for.
    undefined : {"pass", "warn", "fail"}
        What a row means that has no value, or no change from dense, for another reason: mostly
        because the model gives one answer to every image.
    """

    by: Literal["interval", "value"] = "interval"
    relative: bool = False
    severity: Literal["error", "warning"] = "error"
    min_support: int = Field(default=0, ge=0)
    insufficient_support: Level = "warn"
    undefined: Level = "fail"


class Condition(Defaults):
    """Bounds on one metric of an audit, all over or in many places.

    Parameters
    ----------
    name : str, optional
        Default: the condition itself, in short.
    metric : str
        As in the audit table.
    task : {"multilabel", "multiclass"}, optional
        Of which audits it is a condition: of attributes, or of classes. Default: of both.
    attribute : str or list of str, optional
        ``*``: every attribute. Default: the row over all of them.
    group : str or list of str, optional
        ``*``: every group. Default: the row over all samples.
    group_value : str, optional
        As in the table; of bool and int the text. Default: every value, or the row that
        compares them.
    gte, lte : float, optional
        The least and the largest value that pass, in the metric's unit; at least one is given.

    Examples
    --------
    >>> condition = Condition(metric="bias_amplification", attribute="*", group="Male", lte=0.1)
    >>> condition.title
    'bias_amplification[attribute:*, Male] <= 0.1'
    """

    name: str | None = None
    metric: str
    task: Literal["multilabel", "multiclass"] | None = None
    attribute: Names | None = None
    group: Names | None = None
    group_value: Value | None = None
    gte: Limit | None = None
    lte: Limit | None = None

    @model_validator(mode="after")
    def _check(self) -> Condition:
        if self.name is not None and not (self.name.strip() and self.name.isprintable()):
            raise ValueError(f"name {self.name!r}: expected one line of text")
        if self.gte is None and self.lte is None:
            raise ValueError("no limit: expected 'gte: NUMBER' (at least) or 'lte: NUMBER'")
        if self.gte is not None and self.lte is not None and self.gte > self.lte:
            raise ValueError(f"no number is at least {self.gte} (gte) and at most {self.lte} (lte)")
        try:
            _ = self.budget
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return self

    @property
    def budget(self) -> Budget:
        """The constraints that it stands for: each limit in each place."""
        wheres = [
            Where(attribute, group, self.group_value)
            for attribute in _listed(self.attribute)
            for group in _listed(self.group)
        ]
        limits = [(">=", self.gte), ("<=", self.lte)]
        return Budget(
            tuple(
                Constraint(self.metric, operator, limit, self.relative, where)
                for where in wheres
                for operator, limit in limits
                if limit is not None
            )
        )

    @property
    def title(self) -> str:
        """Its name, or what it says."""
        return self.name or " and ".join(map(str, self.budget.constraints))


def _listed(names: str | list[str] | None) -> list[str | None]:
    return list(names) if isinstance(names, list) else [names]
