"""What the viewer shows: the answers of an audit's models, on the samples that it was made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit import Audit, ModelInfo
from prunescope.data import Dataset, Samples
from prunescope.errors import ConfigError, DataError, one_of, shorten
from prunescope.forecast import Forecast
from prunescope.predictions import Predictions, align
from prunescope.predictions.embeddings import Embeddings
from prunescope.predictions.ids import ABSENT, places_of
from prunescope.report import Report, build
from prunescope.verdict import Policy
from prunescope.verdict.numbers import counted, removal

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Model:
    """What one model answers; columns lie together, as a view is about few attributes.

    Parameters
    ----------
    name : str
    baseline : str or None
        The dense model that it is compared with; None of a dense one.
    about : str
        What was done to it, in words.
    yes : array (N, A) of bool
    probability : array (N, A) of float32
        Of yes, in [0, 1].
    doubt : array (N, A) of float32
        How near the logit lies to its threshold: 0 at it, less the further away.
    """

    name: str
    baseline: str | None
    about: str
    yes: Flags
    probability: NDArray[np.float32]
    doubt: NDArray[np.float32]


@dataclass(frozen=True)
class Risk:
    """A forecast, on the samples of a collection.

    Parameters
    ----------
    risk : array (N, A) of float32
        NaN where it tells nothing.
    why : array (N, A) of uint8
    reasons : tuple of str
        What `why` are positions in.
    scorer : str
    """

    risk: NDArray[np.float32]
    why: NDArray[np.uint8]
    reasons: tuple[str, ...]
    scorer: str

    def least_of(self, share: float) -> float:
        """Return the risk from which an answer is among this share of all."""
        known = self.risk[~np.isnan(self.risk)]
        if not len(known):
            return np.inf
        count = max(1, round(share * len(known)))
        return float(np.partition(known, len(known) - count)[len(known) - count])


@dataclass(frozen=True)
class Collection:
    """An audit with the answers that it was made of, and what else is known of the samples.

    Parameters
    ----------
    audit : Audit
    samples : Samples
    models : mapping of str to Model
        In the order of the audit.
    risk : Risk, optional
    dataset : Dataset, optional
        Where images are looked up, by id.
    policy : Policy, optional
        What the audit is judged by; default: the criteria that are shipped.
    notes : list of str
    embeddings : Embeddings, optional
        Of these samples, in their order: what the map is made of.
    layout_file : path, optional
        Where a layout of the map that takes long is kept.
    """

    audit: Audit
    samples: Samples
    models: Mapping[str, Model]
    risk: Risk | None = None
    dataset: Dataset | None = None
    policy: Policy | None = None
    notes: list[str] = field(default_factory=list)
    embeddings: Embeddings | None = None
    layout_file: Path | None = None

    @classmethod
    def of(
        cls,
        audit: Audit,
        predictions: Sequence[Predictions],
        forecast: Forecast | None = None,
        dataset: Dataset | None = None,
        policy: Policy | None = None,
        embeddings: Embeddings | None = None,
        layout_file: Path | None = None,
    ) -> Collection:
        """Put an audit and its models' answers together.

        Raises
        ------
        DataError
            A model's answers are missing, or do not fit; or a sample has no embedding.
        """
        by_name = {one.name: one for one in predictions}
        names = [model.name for model in audit.info.models]
        if lacking := [name for name in names if name not in by_name]:
            raise DataError(
                f"no answers of {shorten(lacking)} were read, which the audit is about: give the "
                f"files of all its models; those given are of {shorten(by_name)}"
            )
        aligned, notes = align([by_name[name] for name in names])
        samples = aligned[0].samples.crossed(audit.info.settings.intersect)
        if samples.attributes != audit.info.attributes:
            raise DataError(
                f"the answers are about {shorten(samples.attributes)}, the audit is about "
                f"{shorten(audit.info.attributes)}: give the files that it was made of"
            )
        if len(samples) != audit.info.n_samples:
            notes.append(
                f"The files hold {len(samples):,} samples, and the audit was made of "
                f"{audit.info.n_samples:,}: figures and images may not belong together."
            )
        models = {}
        for info, one in zip(audit.info.models, aligned, strict=True):
            models[info.name] = _model(info, one)
        if dataset is not None:
            notes += _strange(dataset, aligned[0])
        risk = None if forecast is None else _risk(forecast, samples)
        if embeddings is not None:
            embeddings = embeddings.aligned_to(samples.ids)
        return cls(audit, samples, models, risk, dataset, policy, notes, embeddings, layout_file)

    @cached_property
    def report(self) -> Report:
        """What the audit's report says.

        Raises
        ------
        ConfigError
            The policy is about what the audit does not hold.
        """
        return build(self.audit, policy=self.policy)

    @cached_property
    def labels(self) -> NDArray[np.int8]:
        """The samples' labels (N, A), columns together."""
        return np.asfortranarray(self.samples.labels)

    @cached_property
    def rows(self) -> dict[str, int]:
        """Id → row."""
        return {key: row for row, key in enumerate(self.samples.ids)}

    @cached_property
    def columns(self) -> dict[str, int]:
        """Attribute → column."""
        return {name: column for column, name in enumerate(self.samples.attributes)}

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Where the data set has each sample (N,); `ABSENT` where it has not."""
        if self.dataset is None:
            return np.full(len(self.samples), ABSENT)
        return places_of(self.samples.ids, self.dataset.samples.ids)

    @cached_property
    def populations(self) -> dict[str, str]:
        """Name of a model → that of its population, or its own."""
        found = {name: name for name in self.models}
        for population in self.audit.info.populations:
            found |= dict.fromkeys(population.members, population.name)
        return found

    @cached_property
    def compressed(self) -> list[Model]:
        """The models that are compared with another."""
        return [model for model in self.models.values() if model.baseline is not None]

    def model(self, name: str | None) -> Model:
        """Return a model; by default, the one that the headline is about.

        Raises
        ------
        ConfigError
            There is no such model.
        """
        if name is None:
            featured = self.report.featured
            return next(
                m for m in self.compressed if featured in (m.name, self.populations[m.name])
            )
        if name not in self.models:
            raise ConfigError(one_of("model", name, self.models))
        return self.models[name]

    def against(self, model: Model, name: str | None) -> Model:
        """Return what a model is compared with; by default, its baseline or the first model."""
        if name is None:
            name = model.baseline or next(iter(self.models))
        return self.model(name)

    def column(self, attribute: str) -> int:
        """Return the column of an attribute.

        Raises
        ------
        ConfigError
            There is no such attribute.
        """
        if attribute not in self.columns:
            raise ConfigError(one_of("attribute", attribute, self.samples.attributes))
        return self.columns[attribute]

    def row(self, key: str) -> int:
        """Return the row of an id.

        Raises
        ------
        ConfigError
            There is no such sample.
        """
        if key not in self.rows:
            raise ConfigError(f"no sample has the id {key!r}")
        return self.rows[key]

    def exemplars(self, model: Model) -> Flags:
        """Return which answers (N, A) are compression-identified exemplars of its population."""
        found = np.zeros(self.samples.labels.shape, bool)
        listed = self.audit.cies.filter(model=self.populations[model.name], definition="modal")
        known = listed.filter(pl.col("id").is_in(self.samples.ids.implode()))
        rows = np.array([self.rows[key] for key in known["id"]], int)
        for row, attribute in zip(rows, known["attribute"], strict=True):
            if attribute is None:  # the class that a sample is said to be of changed
                found[row] = True
            else:
                found[row, self.columns[attribute]] = True
        return found


def _model(info: ModelInfo, answers: Predictions) -> Model:
    """Keep of a model's answers what is shown of them."""
    how = info.metadata.compression
    about = f"{how.method}, {removal(how, ' removed')}" if how.removed else how.method
    seed = info.metadata.seed
    odds = answers.log_odds.astype(np.float32)
    cuts = 0.0 if answers.thresholds is None else answers.thresholds
    return Model(
        name=info.name,
        baseline=info.baseline,
        about=about if seed is None else f"{about}, seed {seed}",
        yes=np.asfortranarray(answers.decisions),
        probability=np.asfortranarray(answers.probabilities, np.float32),
        doubt=np.asfortranarray(-np.abs(odds - cuts), np.float32),
    )


def _risk(forecast: Forecast, samples: Samples) -> Risk:
    """Bring a forecast onto the samples of a collection.

    Raises
    ------
    DataError
        It is about other attributes, or other samples.
    """
    rows = places_of(samples.ids, forecast.ids)
    if (rows == ABSENT).all():
        raise DataError(
            "the forecast is about other samples: none of its ids is among those of the audit, "
            f"{shorten(samples.ids, 3)}"
        )
    if set(forecast.info.attributes) != set(samples.attributes):
        raise DataError(
            f"the forecast is about {shorten(forecast.info.attributes)}: expected "
            f"{shorten(samples.attributes)}"
        )
    order = [forecast.info.attributes.index(name) for name in samples.attributes]

    def arranged(grid: NDArray[Any]) -> NDArray[Any]:
        return np.asfortranarray(grid[rows][:, order])

    risk = arranged(forecast.risk).astype(np.float32)
    risk[rows == ABSENT] = np.nan
    return Risk(risk, arranged(forecast.why), forecast.info.reasons, forecast.info.scorer)


def _strange(dataset: Dataset, answers: Predictions) -> list[str]:
    """Tell of images that may not be those that were answered."""
    asked = answers.metadata.dataset.fingerprint
    notes = []
    if asked is not None and asked != dataset.fingerprint:
        notes.append(
            f"The images of {dataset.name} are not those that the models were asked about: their "
            "fingerprints differ."
        )
    lacking = int((places_of(answers.samples.ids, dataset.samples.ids) == ABSENT).sum())
    if lacking:
        notes.append(f"{dataset.name} lacks the images of {counted(lacking, 'sample')}.")
    return notes
