"""The prediction files of a command: how to read them, and whether they fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from prunescope.audit import Audit, Sources
from prunescope.audit import audit as audit_in_memory
from prunescope.audit.large_files.counting import count_all
from prunescope.audit.large_files.streaming import Engine, audit_files
from prunescope.cli.console import say
from prunescope.errors import ConfigError, shorten
from prunescope.predictions import (
    Adjustment,
    Predictions,
    Scores,
    Told,
    adjust,
    read_adjustments,
)
from prunescope.predictions.shards import Shards, shards_of
from prunescope.predictions.thresholds import EVERY_MODEL

MOST_BYTES = 2 * 2**30
"""Size of all logits, in float64, from which files are read a part at a time."""

Progress = Callable[[int, int], None]

Model = TypeVar("Model", Predictions, Shards)


@dataclass(frozen=True)
class Files:
    """How to read prediction files.

    Parameters
    ----------
    scores : {"logits", "probability"}
        What their scores are.
    columns : dict
        Our name of a column → theirs.
    thresholds : path, optional
        A file of thresholds, or of adjustments.
    told : dict
        File, as it was given → what is told of it; its scores go before `scores`.
    """

    scores: Scores
    columns: Mapping[str, str]
    thresholds: Path | None
    told: Mapping[str, Told] = field(default_factory=dict)

    def streamed(self, sources: Sequence[str], asked: bool | None, engine: str) -> bool:
        """Decide whether to read a part of the files at a time.

        Raises
        ------
        ConfigError
            What was asked for cannot be.
        """
        several = [source for source in sources if len(shards_of(source)) > 1]
        needed = "--engine ray" if engine == "ray" else several[0] if several else None
        if asked is False and needed:
            raise ConfigError(f"{needed}: is counted a part at a time; leave out --in-memory")
        if asked is not None or needed:
            return bool(asked or needed)
        plain = [Path(source) for source in sources]
        if any(path.suffix.lower() != ".parquet" for path in plain):
            return False
        sizes = (self._scan(source) for source in sources)
        return sum(8 * one.n * len(one.attributes) for one in sizes) > MOST_BYTES

    def load(self, paths: Sequence[str]) -> list[Predictions]:
        """Read files whole.

        Raises
        ------
        ConfigError
            One model is in several files, which are too large to be read whole.
        """
        return self._adjusted([self._load(path) for path in paths], adjust)

    def audit_in_memory(
        self,
        dense: Sequence[str],
        compressed: Sequence[str],
        progress: Progress,
        choice: Mapping[str, Any],
    ) -> Audit:
        """Read the files whole, and audit them."""
        models = self.load([*dense, *compressed])
        sides = models[: len(dense)], models[len(dense) :]
        return audit_in_memory(*sides, progress=progress, **choice)

    def sources(self, models: Sequence[str], paths: Sequence[str]) -> Sources:
        """Tell which file each model was read from, and how."""
        return Sources(
            files=dict(zip(models, paths, strict=True)),
            scores=self.scores,
            columns=dict(self.columns),
            thresholds=None if self.thresholds is None else str(self.thresholds),
            told={
                name: self.told[path]
                for name, path in zip(models, paths, strict=True)
                if path in self.told
            },
        )

    def audit_streamed(
        self,
        dense: Sequence[str],
        compressed: Sequence[str],
        engine: str,
        address: str | None,
        progress: Progress,
        choice: Mapping[str, Any],
    ) -> Audit:
        """Read the files a part at a time, and audit them."""
        models = self._adjusted(
            [self._scan(source) for source in (*dense, *compressed)], Shards.adjusted
        )
        counted: Engine = count_all
        if engine == "ray":
            from prunescope.audit.large_files.cluster import on_ray

            counted = on_ray(address)
        sides = models[: len(dense)], models[len(dense) :]
        return audit_files(*sides, progress=progress, engine=counted, **choice)

    def _adjusted(
        self, models: list[Model], adjusted: Callable[[Model, Adjustment], Model]
    ) -> list[Model]:
        """Do to the models' logits what the file of thresholds says, if there is one."""
        if self.thresholds is None:
            return models
        if not models:
            raise ConfigError(f"no predictions are read that {self.thresholds} could be for")
        read = read_adjustments(self.thresholds, self.scores)
        names: list[str] = [model.name for model in models]
        mine = [read.of(name) for name in names]
        others = set(read.adjustments) - {*names, EVERY_MODEL}
        if others and any(name in read.adjustments for name in names):
            say(f"note: {self.thresholds} is also for {shorten(sorted(others))}: not read here")
            names += others
        read.check(names, models[0].attributes)
        return [
            model if how is None else adjusted(model, how)
            for model, how in zip(models, mine, strict=True)
        ]

    def _load(self, source: str) -> Predictions:
        told = self.told.get(source, Told())
        path, *others = shards_of(source)
        if others:
            raise ConfigError(
                f"{source} is {1 + len(others):,} files, which 'prunescope audit' alone reads "
                "together: expected one file with all rows"
            )
        model = Predictions.load(path, scores=told.scores or self.scores, columns=self.columns)
        return replace(model, metadata=told.over(model.metadata))

    def _scan(self, source: str) -> Shards:
        told = self.told.get(source, Told())
        model = Shards.scan(source, scores=told.scores or self.scores, columns=self.columns)
        return replace(model, metadata=told.over(model.metadata))
