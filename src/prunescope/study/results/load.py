"""What a study found: the audits of its settings, as one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from prunescope.audit import Audit
from prunescope.errors import DataError
from prunescope.predictions import Predictions
from prunescope.study.plan import Plan, Run, Setting
from prunescope.study.running import Status, Store


@dataclass(frozen=True)
class StudyResults:
    """A study's folder, as far as it is finished.

    Parameters
    ----------
    store : Store
    plan : Plan
    audits : dict
        Name of a setting → its audit. Settings of which nothing is audited yet are left out.
    """

    store: Store
    plan: Plan
    audits: Mapping[str, Audit]

    @classmethod
    def open(cls, folder: Path) -> StudyResults:
        """Read what a study has left so far.

        Raises
        ------
        DataError
            The folder holds no study, or none of its settings is audited yet.
        """
        store, plan = Store.open(folder)
        audits = {
            setting.name: Audit.load(store.audit(setting))
            for setting in plan.settings
            if store.audit(setting).exists()
        }
        if not audits:
            raise DataError(
                f"{folder}: nothing is audited yet: 'prunescope study run' has to finish a dense "
                "and a pruned model of one setting"
            )
        return cls(store, plan, audits)

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings that are audited."""
        return tuple(setting for setting in self.plan.settings if setting.name in self.audits)

    @property
    def joint(self) -> tuple[Setting, ...]:
        """Those on clean data with all attributes: one for each architecture and recipe."""
        return tuple(
            setting
            for setting in self.settings
            if setting.backdoor is None and setting.single is None
        )

    def members(self, setting: Setting) -> set[str]:
        """Return the models of an audit that have a row for the mean over their seeds, too."""
        populations = self.audits[setting.name].info.populations
        return {member for population in populations for member in population.members}

    def predictions(self, run: Run, split: str | None = None) -> Predictions:
        """Load a run's answers, by default to the audited split."""
        return self.store.predictions(run, split or self.plan.study.audit.split)

    def finished(self, setting: Setting) -> tuple[Run, ...]:
        """Return the finished runs of a setting, dense ones first."""
        return tuple(run for run in setting.runs if self.store.finished(run))

    @cached_property
    def statuses(self) -> dict[str, Status]:
        """How far each run is, by its key."""
        return {run.key: self.store.status(run) for run in self.plan.runs}

    @cached_property
    def table(self) -> pl.DataFrame:
        """All audit tables, one below the other, each row with its setting.

        The first columns are ``setting``, ``architecture``, ``single`` (the attribute that is
        trained alone; null: jointly) and ``backdoor`` (null: clean data).
        """
        parts = []
        for setting in self.settings:
            told = {
                "setting": setting.name,
                "architecture": setting.arch,
                "single": setting.single,
                "backdoor": setting.backdoor and setting.backdoor.model_dump_json(),
            }
            columns = [pl.lit(value, pl.String).alias(name) for name, value in told.items()]
            table = self.audits[setting.name].table
            parts.append(table.select(*columns, pl.all()))
        return pl.concat(parts)
