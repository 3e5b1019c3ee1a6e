"""Policies: which conditions a compressed model has to meet, read from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, PrivateAttr, ValidationError, model_validator

from prunescope.audit import Audit, AuditInfo
from prunescope.errors import ConfigError, one_of
from prunescope.gate.condition import Condition, Defaults, Names, Strict
from prunescope.gate.judge import RANKS, absent, check, sum_up
from prunescope.gate.verdict import Checked, Verdict
from prunescope.report.roles import roles
from prunescope.yaml_source import Keys, Source, parse_yaml, read_text

ALL, MEANS = "all", "means"


class Policy(Strict):
    """Conditions that every compressed model, or those named, must meet.

    Parameters
    ----------
    version : {1}
    models : str or list of str
        ``all``: each compressed model, every seed by itself, for one of them is shipped.
        ``means``: the same, but of models that differ by their seed alone their mean. Or names.
    defaults : Defaults
        What conditions leave out.
    conditions : list of Condition

    Examples
    --------
    >>> text = "{version: 1, conditions: [{metric: accuracy, gte: -0.005, relative: true}]}"
    >>> [condition.title for condition in Policy.parse(text).conditions]
    ['accuracy >= -0.005']
    """

    version: Literal[1]
    models: Names = ALL
    defaults: Defaults = Defaults()
    conditions: list[Condition] = Field(min_length=1)

    _source: Source | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, told: object) -> object:
        """Put the defaults into the conditions, where both are as they should be."""
        if not isinstance(told, dict):
            return told
        defaults, conditions = told.get("defaults"), told.get("conditions")
        if not isinstance(defaults, dict) or not isinstance(conditions, list):
            return told
        try:
            Defaults.model_validate(defaults)
        except ValidationError:  # told by the field itself, once
            return told
        filled = [defaults | one if isinstance(one, dict) else one for one in conditions]
        return told | {"conditions": filled}

    @model_validator(mode="after")
    def _check(self) -> Policy:
        titles = [condition.title for condition in self.conditions]
        twice = sorted({title for title in titles if titles.count(title) > 1})
        if twice:
            raise ValueError(f"two conditions are called {twice[0]!r}: give them names that differ")
        return self

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read a policy from a file.

        Raises
        ------
        ConfigError
            The file is no YAML, or a key or value of it is not as expected; says file and line.
        """
        return cls.parse(read_text(Path(path), "prunescope policy init"), path)

    @classmethod
    def parse(cls, text: str, path: str | Path = "policy.yaml") -> Policy:
        """Read a policy from text; `path` is where it stands."""
        told, source = parse_yaml(text, Path(path), "a policy")
        with source.located(KEYS):
            policy = cls.model_validate(told)
        policy._source = source
        return policy

    def judge(self, audit: Audit, models: Sequence[str] | None = None) -> Verdict:
        """Judge the compressed models of an audit.

        Parameters
        ----------
        audit : Audit
        models : sequence of str, optional
            Names of those to judge, in the place of the policy's.

        Raises
        ------
        ConfigError
            A condition names what the audit does not have, no such model is there, or intervals
            are asked of an audit without; one line for each, with the policy's file and line. Or
            no condition is one of audits of this task.
        """
        names = self._models(audit.info, models)
        results = [self._checks(number, audit, names) for number in self._of(audit.info)]
        problems = [result for result in results if isinstance(result, str)]
        if problems:
            raise ConfigError("\n".join(problems))
        by_model = zip(*(result for result in results if not isinstance(result, str)), strict=True)
        verdicts = [sum_up(*one) for one in zip(names, map(list, by_model), strict=True)]
        worst = max((one.status for one in verdicts), key=RANKS.index)
        return Verdict.model_validate({"status": worst, "models": verdicts})

    def _of(self, info: AuditInfo) -> list[int]:
        """Return the places of the conditions on an audit of this task."""
        task = info.models[0].metadata.task
        found = [
            number
            for number, condition in enumerate(self.conditions)
            if condition.task in (None, task)
        ]
        if not found:
            raise ConfigError(
                f"{self._at('conditions')}: the audit's task is {task}, and no condition is for "
                f"that: add one with 'task: {task}', or without a task"
            )
        return found

    def _checks(self, number: int, audit: Audit, models: Sequence[str]) -> list[Checked] | str:
        """Judge all models by one condition; or say why that makes no sense for any of them."""
        condition = self.conditions[number]
        at = self._at("conditions", number)
        if condition.by == "interval" and not audit.info.settings.replicates:
            return (
                f"{at}: the audit has no intervals, it was made with --replicates 0: make it "
                "again with some, or say 'by: value'"
            )
        checks, problems = [], []
        for model in models:
            try:
                checks.append(check(condition, audit.table, model))
            except ConfigError as error:
                problems.append(str(error))
                checks.append(absent(condition, str(error)))
        return f"{at}: {problems[0]}" if len(problems) == len(models) else checks

    def _models(self, info: AuditInfo, asked: Sequence[str] | None) -> list[str]:
        """Return the names of the models to judge."""
        cast = roles(info)
        told = [model.name for model in cast.compressed]
        each = [model.name for model in info.models if model.baseline is not None]
        if asked is None and isinstance(self.models, str) and self.models in (ALL, MEANS):
            return each if self.models == ALL else told
        known = list(dict.fromkeys([*told, *each]))
        chosen = asked or ([self.models] if isinstance(self.models, str) else self.models)
        for name in chosen:
            if name not in known:
                at = "" if asked else f"{self._at('models')}: "
                raise ConfigError(f"{at}{one_of('compressed model', name, known)}")
        return list(dict.fromkeys(chosen))

    def _at(self, *place: str | int) -> str:
        """Say where in the file something stands, or in what key, where there is no file."""
        return self._source.at(place) if self._source else ".".join(map(str, place))


KEYS: Keys = {
    "": tuple(Policy.model_fields),
    "defaults": tuple(Defaults.model_fields),
    "conditions": tuple(Condition.model_fields),
}
"""What may stand in each mapping of the file."""


def template() -> str:
    """Return a commented policy to start from."""
    return Path(__file__).with_name("template.yaml").read_text("utf-8")
