"""`audit`: dense models against compressed ones, on the same samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from prunescope.audit.conclude import conclude
from prunescope.audit.evidence import InMemory
from prunescope.audit.intervals.bootstrap import blocks_of, units_of
from prunescope.audit.result import Audit
from prunescope.audit.sample_answers import SampleAnswers
from prunescope.audit.setup import (
    Setup,
    check_names,
    chosen_settings,
    groups_of,
    rates_of,
    told,
)
from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import TrainRates
from prunescope.predictions import Predictions, Scores, Truth, align, each, read_models
from prunescope.predictions.batch import Batch
from prunescope.predictions.scores import odd
from prunescope.predictions.sketch import share_among


def audit(
    dense: object,
    compressed: object,
    *,
    labels: object | None = None,
    groups: object | None = None,
    attributes: Sequence[str] | None = None,
    classes: Sequence[object] | None = None,
    ids: object | None = None,
    scores: Scores = "logits",
    identity: Sequence[str] | None = None,
    train_rates: TrainRates | None = None,
    progress: Callable[[int, int], None] | None = None,
    **settings: Any,  # noqa: ANN401 - checked by Settings
) -> Audit:
    """Compare compressed models with dense ones: every metric, with intervals and statuses.

    A compressed model is compared with the dense model that it was made from, where the files tell
    (`weights`, `parent`); else with that of the same training seed, or with the first one.

    Parameters
    ----------
    dense, compressed : models
        Each is `Predictions`, a path, an array or tensor of scores (N, A), or a frame (pandas,
        polars): of scores, or with the columns of a prediction file. Several stand in a list or,
        by name, in a dict; a list under a name is one recipe with the seeds 0, 1, 2, …, and so is
        a list of dense arrays. Models with ids of their own are joined by id; arrays are about
        `labels` or, without ids, row by row about the samples of the first model that has some.
    labels, groups, attributes, classes, ids
        What is true of the samples of arrays, as for `Predictions.of`.
    scores : {"logits", "probability"}
        What arrays, frames and files hold. `Predictions` are logits.
    identity : sequence of str, optional
        Groups to slice by; default: every group but the cluster. A list of names as `groups` says
        the same.
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
    >>> labels = rng.integers(0, 2, (200, 1))
    >>> dense = labels * 4.0 - 2.0
    >>> sparse = dense + rng.normal(0, 2, labels.shape)
    >>> result = audit(dense, {"sparse": sparse}, labels=labels, attributes=["Smiling"])
    >>> row = result.table.filter(model="sparse", metric="accuracy", attribute="Smiling")
    >>> [round(x, 3) for x in row.select("value", "baseline", "delta").row(0)]
    [0.825, 1.0, -0.175]
    """
    if isinstance(groups, list | tuple):  # of names
        identity, groups = groups, None
    chosen = chosen_settings(identity, settings)
    given = each("dense", dense, of_seeds=True)
    n_dense = len(given)
    given += each("compressed", compressed)
    truth = Truth(labels, groups, attributes, classes, ids)
    models, notes = read_models(given, truth, scores=scores)
    names = [model.name for model in models]
    check_names(names[:n_dense], names[n_dense:])
    aligned, of_alignment = align(models)
    samples = aligned[0].samples.crossed(chosen.intersect)
    aligned = [replace(model, samples=samples) for model in aligned]
    task = {"task": samples.task}
    infos, of_methods = told([one.metadata.model_copy(update=task) for one in aligned], n_dense)
    chosen = chosen.model_copy(update={"cluster": chosen.cluster or samples.cluster})
    sliced = {
        name: (samples.groups[name].values, bool((samples.groups[name].codes == UNKNOWN).any()))
        for name in groups_of(samples.groups, chosen)
    }
    setup = Setup.of(infos, n_dense, samples.attributes, sliced, chosen)
    train, warnings = rates_of(infos, train_rates, samples.rates)
    warnings += [*setup.warnings, *_doubts(aligned)]

    units = units_of(samples, setup.settings.cluster)
    blocks, n_blocks = blocks_of(units, setup.n_blocks, setup.settings.seed)
    fewer = setup.fewer_blocks()
    if fewer and len(np.unique(units)) <= setup.n_blocks:  # as many as there are units
        fewer = []
    subject, batch = setup.subject(n_blocks), Batch.of(aligned)
    clusters = None if setup.settings.cluster is None else units
    found = conclude(
        subject,
        InMemory(subject, batch, blocks, clusters),
        train,
        [*notes, *of_alignment, *of_methods, *fewer],
        warnings,
        SampleAnswers(aligned, n_dense, batch, setup.slices),
        progress,
    )
    answered = pl.concat([one.samples.ids for one in models]).n_unique()
    return replace(found, info=found.info.model_copy(update={"shared": len(samples) / answered}))


def _doubts(models: Sequence[Predictions]) -> list[str]:
    """Warn of models that were fitted to the samples that judge them, and of odd scores."""
    fitted = [
        f"{model.name}: its thresholds or calibration were fitted to these samples, whose figures "
        "flatter it; judge it by others"
        for model in models
        if share_among(model.metadata.fitted_on, model.samples.ids)
    ]
    return [*fitted, *(f"{one.name}: {text}" for one in models for text in odd(one.logits))]
