"""`layer_sensitivity`: every layer compressed alone, at every level, and audited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit import Audit, audit
from prunescope.errors import ConfigError
from prunescope.predictions import Compression, DatasetInfo, Metadata, Predictions
from prunescope.sensitivity.harm import harm_of
from prunescope.sensitivity.plan import check_reach
from prunescope.sensitivity.result import (
    LAYER_SCHEMA,
    MEMBER_SCHEMA,
    SCHEMA,
    Kind,
    LayerMethod,
    Sensitivity,
    SensitivityInfo,
)

if TYPE_CHECKING:
    from torch import nn

    from prunescope.data import Dataset
    from prunescope.sensitivity.one_layer.ask import Asked

METRICS = (
    "flip_rate", "harmful_flip_rate", "helpful_flip_rate", "top1_flip_rate",
    "top1_harmful_flip_rate", "top1_helpful_flip_rate", "accuracy", "top1_accuracy",
    "rare_value_ratio", "bias_amplification", "uncertainty",
)  # fmt: skip
"""What is kept of each audit."""

ALONE = "batch normalisation alone"
"""Name of the dense network whose statistics are estimated anew."""

Progress = Callable[..., None]


def layer_sensitivity(
    model: nn.Module,
    dataset: Dataset,
    *,
    kind: Kind = "sparsity",
    levels: Iterable[float] | None = None,
    pattern: str = "unstructured",
    method: LayerMethod = "one-shot",
    together: Sequence[str] = (),
    ignore: str | Sequence[str] = (),
    budget: str | None = None,
    split: str = "val",
    metadata: Metadata | None = None,
    identity: Sequence[str] | None = None,
    n_batches: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    device: str | None = None,
    state_dir: str | Path | None = None,
    progress: Progress | None = None,
    **settings: Any,  # noqa: ANN401 - checked by an audit
) -> Sensitivity:
    """Compress every layer alone, at every level, and audit each against the dense network.

    The figures of a layer are those of an audit of the network in which it alone is pruned at once
    (`prunescope.prune` without a recipe, every other layer to ignore): batch normalisation is
    estimated anew, by the same images.

    Parameters
    ----------
    model : torch.nn.Module
        Stays as it is.
    dataset : Dataset
        All splits: ``train`` to calibrate on, and the one to judge on.
    kind : {"sparsity", "bits", "channels"}
        What levels are: shares of a layer's weights that become zero, the smallest first; widths of
        its weights, rounded to the nearest; shares of the channels that are removed, of all layers
        that depend on each other together.
    levels : iterable of float, optional
        Default: those of the kind.
    pattern : str
        Of the weights that are zero: a key of `prunescope.pruning.PATTERNS`.
    method : {"one-shot", "reconstruct"}
        What makes the weights of sparsities and bits. By ``reconstruct`` those that stay make up
        for the others, by up to 2,048 training images.
    together : sequence of str
        Names or shell patterns: all layers that match one are compressed together, each to the
        level.
    ignore : str or sequence of str
        Layers to leave out.
    budget : str, optional
        What `plan_layers` will be asked for: refused before anything is measured if no levels meet
        it.
    split : str
        Whose samples the audits are of.
    metadata : Metadata, optional
        Of the model; the rates of the training split are counted where it does not tell them.
    identity : sequence of str, optional
        Groups to slice by; default: every group but the cluster.
    n_batches, batch_size : int, optional
        Of training images that batch normalisation and errors are estimated by; default: as many as
        `prunescope.prune` re-estimates the former by.
    seed : int
        Of their choice.
    device : str, optional
    state_dir : path, optional
        Folder in which to keep what is done; a killed run takes it up, with the same result.
    progress : callable (done, total, note), optional
    **settings
        Of the audits: cluster, replicates, confidence, min_support, …

    Raises
    ------
    ConfigError
        A setting makes no sense, the model is in int8, no layer is left to look at, or the budget
        is below what the strongest levels leave.
    DataError
        A split is missing, or the data set does not fit the model.
    TrainingError
        A weight is NaN or infinite.
    """
    from prunescope.sensitivity.one_layer import ask_layers, way_of

    way = way_of(kind, pattern, method)
    asked_for = way.levels if levels is None else tuple(levels)
    chosen = tuple(dict.fromkeys(way.check(level) for level in asked_for))
    if not chosen:
        raise ConfigError("there is no level: expected at least one")
    training, scored = dataset.split("train"), dataset.split(split)
    asked = ask_layers(
        model, training, scored, way, chosen,
        together=together, ignore=ignore, n_batches=n_batches, batch_size=batch_size, seed=seed,
        device=device, state_dir=None if state_dir is None else Path(state_dir),
        progress=progress,
        check=None if budget is None else lambda rows: check_reach(rows, budget, kind),
    )  # fmt: skip
    told = metadata or _metadata(training, split)
    base = Predictions(scored.samples, asked.dense, told)
    alone, tables, layers = _judged(asked, base, identity, settings, progress)
    info = SensitivityInfo(
        model=base.name, metadata=told, task=scored.samples.task, kind=kind, levels=chosen,
        pattern=pattern, method=method, split=split, n_samples=len(scored),
        n_calibration=asked.n_calibration,
        attributes=scored.samples.attributes, groups=_groups_of(alone), seed=seed,
        settings=alone.info.settings, whole=asked.outcome.whole, seconds=asked.outcome.seconds,
        seconds_a_pass=asked.seconds_a_pass, notes=alone.info.notes, warnings=alone.info.warnings,
    )  # fmt: skip
    members = [(unit.name, layer) for unit in asked.units for layer in unit.layers]
    table = pl.concat([_kept(alone, {ALONE: (None, None)}), *tables])
    return Sensitivity(info, table, layers, pl.DataFrame(members, MEMBER_SCHEMA, orient="row"))


def _judged(
    asked: Asked,
    base: Predictions,
    identity: Sequence[str] | None,
    settings: dict[str, Any],
    progress: Progress | None,
) -> tuple[Audit, list[pl.DataFrame], pl.DataFrame]:
    """Audit each layer's levels; return the audit of none, all rows, and the rows of layers."""
    auditor = _Auditor(base, identity, settings)
    alone = auditor.of({ALONE: asked.outcome.plain})
    tables, rows = [], []
    places: dict[str, dict[float, int]] = {}
    for i, branch in enumerate(asked.branches):
        places.setdefault(branch.unit, {})[branch.level] = i
    for done, (layer, levels) in enumerate(places.items(), start=1):
        found = auditor.of({f"{level:g}": asked.outcome.logits[i] for level, i in levels.items()})
        tables.append(_kept(found, {f"{level:g}": (layer, level) for level in levels}))
        if progress is not None:
            progress(done, len(places), "audits")
    every = pl.concat(tables)
    by_level = every.partition_by("layer", "level", as_dict=True)
    for row in asked.rows:
        place = places.get(row["layer"], {}).get(row.get("level", -1.0))
        if place is None:
            rows.append(row)
            continue
        harm = harm_of(by_level[row["layer"], row["level"]])
        error = float(asked.outcome.errors[place])
        told: dict[str, Any] = {"error": None if np.isnan(error) else error}
        if np.isnan(error):
            untold = "the layer's own error is not known"
            told["reason"] = f"{untold}: " + (
                "whole passes were made" if asked.outcome.whole else "its outputs are all 0"
            )
        if harm is None:
            told["reason"] = "nothing is labelled, so harm is not known"
        else:
            told |= {
                "harm": harm.total, "worst_group": harm.group, "worst_value": harm.value,
                "worst_flips": harm.flips, "rare_lost": harm.rare,
            }  # fmt: skip
        rows.append(row | told)
    return alone, tables, pl.DataFrame(rows, LAYER_SCHEMA)


@dataclass(frozen=True)
class _Auditor:
    """Audits answers against those of the dense network, always on the same samples."""

    base: Predictions
    identity: Sequence[str] | None
    settings: dict[str, Any]

    def of(self, answers: dict[str, NDArray[np.float32]]) -> Audit:
        compression = Compression(method="one layer")
        told = {
            name: Predictions(
                self.base.samples, logits,
                self.base.metadata.model_copy(update={"name": name, "compression": compression}),
            )
            for name, logits in answers.items()
        }  # fmt: skip
        return audit(self.base, list(told.values()), identity=self.identity, **self.settings)


def _kept(found: Audit, names: dict[str, tuple[str | None, float | None]]) -> pl.DataFrame:
    """Return the rows of the compressed models that are kept, named by layer and level."""
    table = found.table.filter(pl.col("model").is_in(list(names)), pl.col("metric").is_in(METRICS))
    layer = {name: of for name, (of, _) in names.items()}
    level = {name: at for name, (_, at) in names.items()}
    named = table.with_columns(
        layer=pl.col("model").replace_strict(layer, return_dtype=pl.String),
        level=pl.col("model").replace_strict(level, return_dtype=pl.Float64),
    )
    return named.select(list(SCHEMA))


def _groups_of(found: Audit) -> tuple[str, ...]:
    groups = found.table["group"].drop_nulls().unique(maintain_order=True)
    return tuple(groups)


def _metadata(training: Dataset, split: str) -> Metadata:
    """Tell of a model what is known without a checkpoint."""
    rates, samples = training.samples.rates(), training.samples
    return Metadata(
        name="dense", split=split, task=samples.task, train_prevalence=dict(rates.prevalence),
        train_group_rates={
            group: {value: dict(of) for value, of in values.items()}
            for group, values in rates.group_rates.items()
        },
        dataset=DatasetInfo(
            name=training.name, fingerprint=training.fingerprint, cluster=samples.cluster
        ),
    )  # fmt: skip
