"""`audit`: dense models against compressed ones, on the same samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from prunescope.audit.affected import Affected, most_affected
from prunescope.audit.bootstrap import Bootstrap, resampling_units
from prunescope.audit.estimates import UNDEFINED, Estimates, summarize
from prunescope.audit.measure import Measurer
from prunescope.audit.result import Audit, AuditInfo, ModelInfo, Settings
from prunescope.audit.table import SCHEMA, add_q_values, rows
from prunescope.data.samples import Samples, TrainRates
from prunescope.errors import ConfigError, settings_of, shorten
from prunescope.metrics import Slices
from prunescope.predictions import Compression, Metadata, Predictions, align

UNTOLD = "compressed"
"""The method of a compressed model whose file does not say how it was made."""

MAX_GROUP_VALUES = 64
"""A group with more values is rather an identifier or a number to be cut into bands."""


def audit(
    dense: Predictions | Sequence[Predictions],
    compressed: Predictions | Sequence[Predictions],
    *,
    identity: Sequence[str] | None = None,
    train_rates: TrainRates | None = None,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,  # noqa: ANN401 - checked by Settings
) -> Audit:
    """Compare compressed models with dense ones: every metric, with intervals and statuses.

    A compressed model is compared with the dense model of the same training seed, or with the
    first one.

    Parameters
    ----------
    dense, compressed : Predictions or several
        On the same samples; joined by id.
    identity : sequence of str, optional
        Groups to slice by; default: every group but the cluster.
    train_rates : TrainRates, optional
        Rates of the training split, where the files do not tell them; without either, the rates
        of the labels at hand stand in, with a warning.
    progress : callable, optional
        Called with the number of models done and of all.
    **settings
        The fields of `Settings`: cluster, replicates, confidence, seed, min_support, ...

    Raises
    ------
    DataError
        Files do not fit together.
    ConfigError
        A setting makes no sense.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(0, 2, (200, 1)).astype(np.int8)
    >>> samples = Samples(pl.Series([str(i) for i in range(200)]), ("Smiling",), labels)
    >>> dense = Predictions(samples, labels * 4.0 - 2.0, Metadata(name="dense"))
    >>> noise = rng.normal(0, 2, labels.shape)
    >>> sparse = Predictions(samples, dense.logits + noise, Metadata(name="sparse"))
    >>> result = audit(dense, sparse, train_rates=samples.rates(), replicates=200)
    >>> row = result.table.filter(model="sparse", metric="accuracy", attribute="Smiling")
    >>> [round(x, 3) for x in row.select("value", "baseline", "delta").row(0)]
    [0.825, 1.0, -0.175]
    """
    dense = [dense] if isinstance(dense, Predictions) else list(dense)
    compressed = [compressed] if isinstance(compressed, Predictions) else list(compressed)
    with settings_of("audit settings"):
        chosen = Settings.model_validate({"groups": identity, **settings})
    names = [model.name for model in [*dense, *compressed]]
    _check_names(dense, compressed, names)

    compressed = [_as_compressed(model) for model in compressed]
    aligned, notes = align([*dense, *compressed])
    dense, compressed = aligned[: len(dense)], aligned[len(dense) :]
    samples = aligned[0].samples
    train, warnings = _train_rates(aligned, train_rates)
    if untold := [m.name for m in compressed if m.metadata.compression.method == UNTOLD]:
        notes.append(
            f"{shorten(untold)}: the file does not tell how the model was compressed, so the "
            f"method is given as {UNTOLD!r}, and the sparsity as 0."
        )
    cluster = chosen.cluster or samples.cluster
    slices = _slices(samples, chosen, cluster)
    every = tuple(name for name in samples.groups if name != cluster)
    asked = every if chosen.groups is None else chosen.groups
    if empty := [name for name in asked if not samples.groups[name].values]:
        warnings.append(f"No value of {shorten(empty)} is known, so nothing is measured by it.")
    measurer = Measurer(
        samples=samples,
        slices=slices,
        train=train,
        bootstrap=Bootstrap.draw(
            resampling_units(samples, cluster), chosen.replicates, chosen.seed
        ),
        min_support=chosen.min_support,
        n_bins=chosen.n_bins,
        band=chosen.band,
        trigger=chosen.trigger,
    )

    confidence = chosen.confidence
    tables: list[pl.DataFrame] = []
    measured: dict[str, list[Estimates]] = {}
    affected: list[Affected] = []

    def finish(model: Predictions, parts: list[pl.DataFrame]) -> None:
        tables.append(_finish(parts, model.metadata, model.name))
        if progress:
            progress(len(tables), len(aligned))

    for model in dense:
        measured[model.name] = measurer.model(model)
        finish(model, _model_rows(measured[model.name], slices, confidence))
    churn = _churn(measurer, dense, confidence)
    baselines = {model.name: _baseline(model, dense) for model in compressed}
    for model in compressed:
        baseline = baselines[model.name]
        parts = _pair_rows(measured[baseline.name], measurer.model(model), slices, confidence)
        change = measurer.pair(baseline, model)
        parts += _model_rows(change, slices, confidence, change=True)
        finish(model, [*parts, churn])
        affected += most_affected(baseline, model, chosen.n_affected)
    info = AuditInfo(
        n_samples=len(samples),
        attributes=samples.attributes,
        settings=chosen.model_copy(update={"cluster": cluster}),
        models=[
            ModelInfo(
                name=model.name,
                baseline=baselines[model.name].name if model.name in baselines else None,
                metadata=model.metadata,
            )
            for model in aligned
        ],
        notes=notes,
        warnings=warnings,
        affected=affected,
    )
    return Audit(pl.concat(tables), info)


def _as_compressed(model: Predictions) -> Predictions:
    """Return the model, not called dense if its file does not say what was done to it."""
    told = model.metadata.compression
    if told.method != Compression().method:
        return model
    compression = told.model_copy(update={"method": UNTOLD})
    metadata = model.metadata.model_copy(update={"compression": compression})
    return replace(model, metadata=metadata)


def _check_names(dense: list[Predictions], compressed: list[Predictions], names: list[str]) -> None:
    """Raise where a model is missing or two have one name."""
    if not dense or not compressed:
        raise ConfigError("an audit needs at least one dense and one compressed model")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"two models are called {shorten(twice)}: expected a name of its own for each; it "
            "comes from the file's metadata, else from the file's name"
        )


def _train_rates(
    models: list[Predictions], given: TrainRates | None
) -> tuple[TrainRates, list[str]]:
    """Find the rates of the training split, or let those of the labels at hand stand in."""
    if given is not None:
        return given, []
    for model in models:
        rates = model.metadata.train_rates()
        if rates is not None:
            return rates, []
    return models[0].samples.rates(), [
        "No file tells the rates of the training split, so the rates of the evaluated labels stand "
        "in for them: which value is rare, and to which side an attribute leans, is read off the "
        "very labels that are scored. Pass the training labels to mend this."
    ]


def _slices(samples: Samples, settings: Settings, cluster: str | None) -> Slices:
    """Slice by the groups asked for, and check that they are groups."""
    names = settings.groups
    if names is None:
        names = tuple(name for name in samples.groups if name != cluster)
    trigger = settings.trigger
    if trigger is not None and trigger not in names:
        names = (*names, trigger)
    slices = Slices.of(samples, names)
    for name in names:
        values = samples.groups[name].values
        if len(values) > MAX_GROUP_VALUES:
            raise ConfigError(
                f"group {name!r} has {len(values):,} values, more than {MAX_GROUP_VALUES}: name "
                "the groups to use, name this one as the cluster, or cut it into bands"
            )
        if name == trigger and values != (False, True):
            raise ConfigError(f"trigger {name!r} must be a group of booleans; it has {values}")
    return slices


def _baseline(model: Predictions, dense: list[Predictions]) -> Predictions:
    """Return the dense model of the same seed, or the first."""
    seed = model.metadata.seed
    same = [d for d in dense if seed is not None and d.metadata.seed == seed]
    return (same or dense)[0]


def _model_rows(
    estimates: list[Estimates], slices: Slices, confidence: float, *, change: bool = False
) -> list[pl.DataFrame]:
    """Lay out the estimates of one model, or of the change from one to another."""
    sizes = slices.sizes()
    return [
        rows(summarize(item, item.ok, sizes), slices, confidence, change=change)
        for item in estimates
    ]


def _pair_rows(
    baseline: list[Estimates], estimates: list[Estimates], slices: Slices, confidence: float
) -> list[pl.DataFrame]:
    """Lay out the estimates of a compressed model beside those of the dense one."""
    sizes = slices.sizes()
    tables = []
    for dense, item in zip(baseline, estimates, strict=True):
        both = dense.ok & item.ok
        beside = summarize(dense, both, sizes)
        tables.append(rows(summarize(item, both, sizes), slices, confidence, beside))
    return tables


def _churn(measurer: Measurer, dense: list[Predictions], confidence: float) -> pl.DataFrame:
    """Estimate the flips between dense seeds, or say that it takes two of them."""
    if len(dense) > 1:
        flips = measurer.pair(dense[0], dense[1])[:1]
        [table] = _model_rows(flips, measurer.slices, confidence)
        return table.with_columns(metric=pl.lit("churn"))
    row = {
        "metric": "churn",
        "n": len(measurer.samples),
        "status": UNDEFINED,
        "reason": "it takes two dense models of different seeds",
    }
    return pl.DataFrame([row], schema_overrides={k: v for k, v in SCHEMA.items() if k in row})


def _finish(parts: list[pl.DataFrame], metadata: Metadata, name: str) -> pl.DataFrame:
    """Join one model's rows, name the model in each, and correct for many comparisons."""
    table = pl.concat(parts, how="diagonal").with_columns(
        model=pl.lit(name),
        method=pl.lit(metadata.compression.method),
        sparsity=pl.lit(metadata.compression.sparsity, pl.Float64),
        seed=pl.lit(metadata.seed, pl.Int64),
    )
    missing = [pl.lit(None, kind).alias(k) for k, kind in SCHEMA.items() if k not in table.columns]
    return add_q_values(table.with_columns(missing).select(list(SCHEMA)))
