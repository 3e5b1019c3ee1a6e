"""Policies: lists of criteria, read from a file; the shipped one is where everybody starts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field, PrivateAttr, model_validator

from prunescope.audit import Audit
from prunescope.audit.estimates import INSUFFICIENT
from prunescope.errors import ConfigError
from prunescope.verdict.criterion import Criterion, Strict
from prunescope.verdict.judge import Judge
from prunescope.verdict.of_models import Verdict
from prunescope.yaml_source import Keys, Source, parse_yaml, read_text

SHIPPED = Path(__file__).with_name("criteria.yaml")

GONE = ("by", "min_support", "insufficient_support", "undefined")
"""Keys of version 1 that are passed over: what cannot be judged by its interval never passes."""


class Policy(Strict):
    """Criteria that every compressed model is held to.

    Parameters
    ----------
    version : {2}
    criteria : list of Criterion

    Examples
    --------
    >>> text = "{version: 2, criteria: [{metric: accuracy, gte: -0.005, relative: true}]}"
    >>> [criterion.title for criterion in Policy.parse(text).criteria]
    ['accuracy >= -0.005']
    """

    version: Literal[2]
    criteria: list[Criterion] = Field(min_length=1)

    _source: Source | None = PrivateAttr(default=None)
    _passed_over: list[str] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _check(self) -> Policy:
        for task in ("multilabel", "multiclass"):
            titles = [one.title for one in self.criteria if one.task in (None, task)]
            twice = sorted({title for title in titles if titles.count(title) > 1})
            if twice:
                raise ValueError(
                    f"two criteria are called {twice[0]!r}: give them names that differ"
                )
        return self

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read a policy from a file.

        Raises
        ------
        ConfigError
            The file is no YAML, or a key or value of it is not as expected; says file and line.
        """
        return cls.parse(read_text(Path(path), "prunescope policy init -o"), path)

    @classmethod
    def parse(cls, text: str, path: str | Path = "policy.yaml") -> Policy:
        """Read a policy from text; `path` is where it stands."""
        told, source = parse_yaml(text, Path(path), "a policy")
        of_first = told.get("version") == 1
        passed_over = _passed_over(told) if of_first else []
        told = _from_version_1(told) if of_first else told
        with source.located(KEYS, {"criteria": ("conditions",)} if of_first else None):
            policy = cls.model_validate(told)
        policy._source = source
        policy._passed_over = passed_over
        return policy

    @classmethod
    def of(cls, texts: Sequence[str]) -> Policy:
        """Read bounds, one per text; equal ones count once.

        Raises
        ------
        ConfigError
            There is none, or a text is no bound (`Criterion.parse`).
        """
        if not texts:
            raise ConfigError("a budget needs a constraint, such as 'accuracy >= -0.005'")
        bounds = {bound.title: bound for bound in map(Criterion.parse, texts)}
        return cls(version=2, criteria=list(bounds.values()))

    def of_task(self, task: str) -> list[Criterion]:
        """Return the criteria for audits of a task.

        Raises
        ------
        ConfigError
            There is none.
        """
        found = [one for one in self.criteria if one.task in (None, task)]
        if not found:
            at = f"{self._source.at(('criteria',))}: " if self._source else ""
            raise ConfigError(
                f"{at}the audit's task is {task}, and no criterion is for that: add one with "
                f"'task: {task}', or without a task"
            )
        return found

    def judge(self, audit: Audit, models: Sequence[str] | None = None) -> Verdict:
        """Judge the compressed models of an audit.

        Parameters
        ----------
        audit : Audit
        models : sequence of str, optional
            Names of those to judge; a population stands for its seeds. Default: all.

        Raises
        ------
        ConfigError
            A criterion is about what the audit does not have and is not optional, or no such
            model is there; with the policy's file and line.
        """
        return Judge(audit, self).verdict(models)

    @property
    def notes(self) -> list[str]:
        """What in the file is not read any more."""
        if not self._passed_over:
            return []
        return [
            f"version 1 of policies: {', '.join(self._passed_over)} "
            f"{'is' if len(self._passed_over) == 1 else 'are'} passed over; docs/gate.md says why"
        ]

    def at(self, criterion: Criterion) -> str:
        """Say where a criterion stands, with a colon; nothing where there is no file."""
        if self._source is None:
            return ""
        return f"{self._source.at(('criteria', self.criteria.index(criterion)))}: "


KEYS: Keys = {"": tuple(Policy.model_fields), "criteria": tuple(Criterion.model_fields)}
"""What may stand in each mapping of the file."""


@cache
def shipped() -> Policy:
    """Return the policy that reports and verdicts are made with unless another is given."""
    return Policy.parse(SHIPPED.read_text("utf-8"), SHIPPED)


def template(audit: Audit | None = None) -> str:
    """Return the shipped policy as commented text; of an audit, only what fits it.

    Left out are the criteria of another task, those of which the audit has no rows, and, by name,
    those that do not decide and of which it can judge no row. What every model has rows for is no
    longer optional.
    """
    judge = None if audit is None else Judge(audit, shipped())
    criteria = iter(shipped().criteria)
    above: list[str] = []  # the next criterion: the heading of its part
    kept: list[str] = []
    left_out = []
    for block in SHIPPED.read_text("utf-8").rstrip().split("\n\n"):
        if not block.startswith("  - "):
            above = [block] if block.startswith("  #") else [*above, block]
            continue
        criterion = next(criteria)
        if judge is not None:
            found = judge.of_all(criterion)
            asked = [one for one in found if one.judged.state != "absent"]
            if not asked:
                continue
            if not criterion.decides and all(_too_few(one.rows) for one in asked):
                left_out.append(criterion.title)
                continue
            always = ["    optional: true"] * (len(asked) == len(found))
            lines = (f"    task: {criterion.task}", *always)
            block = "\n".join(line for line in block.splitlines() if line not in lines)
        kept += [*above, block]
        above = []
    if left_out:
        kept.append(f"  # Left out, as too few images tell of any of it: {', '.join(left_out)}.")
    return "\n\n".join(kept) + "\n"


def _too_few(rows: pl.DataFrame) -> bool:
    """Tell whether no row rests on enough images."""
    return bool((rows["status"] == INSUFFICIENT).all())


def _from_version_1(told: dict[str, Any]) -> dict[str, Any]:
    """Read a policy of version 1: its conditions are criteria that bound."""
    defaults, conditions = told.get("defaults"), told.get("conditions")
    if not isinstance(conditions, list):
        return told
    shared = defaults if isinstance(defaults, dict) else {}
    of_severity: dict[str, dict[str, Any]] = {
        "error": {"severity": "severe"},
        "warning": {"severity": "moderate", "decides": False},
    }
    criteria: list[Any] = []
    for condition in conditions:
        if not isinstance(condition, dict):
            criteria.append(condition)
            continue
        one = {name: value for name, value in (shared | condition).items() if name not in GONE}
        criteria.append(one | of_severity.get(str(one.get("severity")), {}))
    kept = {name: told[name] for name in told if name not in ("conditions", "defaults", "models")}
    return kept | {"version": 2, "criteria": criteria}


def _passed_over(told: dict[str, Any]) -> list[str]:
    """Return the keys of a policy of version 1 that mean nothing any more."""
    conditions = told.get("conditions")
    parts = [told.get("defaults"), *(conditions if isinstance(conditions, list) else [])]
    keys = {key for part in (told, *parts) if isinstance(part, dict) for key in part}
    return [key for key in (*GONE, "models") if key in keys]
