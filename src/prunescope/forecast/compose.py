"""`forecast`: a dense model's predictions in, what pruning would break out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.leaning import Leanings
from prunescope.audit.setup import check_groups, rates_of
from prunescope.data.samples import TrainRates
from prunescope.errors import ConfigError, one_of, outside_share, shorten
from prunescope.forecast.by_attribute import attribute_rows, expected_margins
from prunescope.forecast.calibrate import calibrate, calibrated, sparsity_of
from prunescope.forecast.calibration import Calibration
from prunescope.forecast.lab import Meter
from prunescope.forecast.outlook import Outlook
from prunescope.forecast.result import Forecast, ForecastInfo
from prunescope.forecast.scorers import BEST, SCORERS, Case, Scorer, Tier
from prunescope.forecast.workshop import Workshop
from prunescope.metrics import Slices
from prunescope.metrics.statistics import BAND, Floats
from prunescope.predictions import (
    Metadata,
    Predictions,
    Scores,
    Truth,
    each,
    in_order_of,
    read_models,
)

if TYPE_CHECKING:
    from torch import nn

    from prunescope.data import Dataset
    from prunescope.training import Recipe


FAR, NEAR = "far from the threshold", "near the threshold"


def forecast(
    dense: object,
    *,
    labels: object | None = None,
    groups: object | None = None,
    attributes: Sequence[str] | None = None,
    classes: Sequence[object] | None = None,
    ids: object | None = None,
    scores: Scores = "logits",
    sparsity: float = 0.9,
    scorer: str | None = None,
    tier: Tier | None = None,
    model: nn.Module | None = None,
    dataset: Dataset | None = None,
    recipe: Recipe | None = None,
    identity: Sequence[str] | None = None,
    train_rates: TrainRates | None = None,
    validation: object | None = None,
    pruned_validation: object = (),
    min_support: int = 10,
    seed: int = 0,
    device: str | None = None,
    progress: Callable[..., None] | None = None,
) -> Forecast:
    """Tell from a dense model what pruning it would break: answers, attributes, groups.

    Parameters
    ----------
    dense : model
        `Predictions`, a path, an array, a tensor or a frame, as for `prunescope.audit`. Labels are
        looked at for rare-value ratio and bias amplification, not for the risk.
    labels, groups, attributes, classes, ids
        What is true of the samples of an array, as for `Predictions.of`.
    scores : {"logits", "probability"}
        What arrays, frames and files hold.
    sparsity : float
        That is planned, in (0, 1).
    scorer : str, optional
        A key of `SCORERS`; default: the best of the tier.
    tier : {"A", "B", "C"}, optional
        A needs the predictions alone, B the model and its data, C trains it for a few steps, too.
        Default: B where there is a model, else A.
    model : torch.nn.Module, optional
        The one that made the predictions.
    dataset : Dataset, optional
        All splits of its data.
    recipe : Recipe, optional
        How the planned pruning will train; tier C takes 15% of its steps. Default: ``small-pt``.
    identity : sequence of str, optional
        Groups to look at; default: every group but the cluster.
    train_rates : TrainRates, optional
        Where the file does not tell them.
    validation : model, optional
        The same dense model on other, labelled samples, which it tells itself (`Predictions.of`):
        scorer ``temperature`` asks for it.
    pruned_validation : models
        One or more pruned models on the samples of `validation`: their flips make risks into
        probabilities. Without them, probabilities are the scorer's own. Arrays are about the
        samples of `validation`, row by row.
    min_support : int
        Samples that an estimate needs.
    seed : int
        Of all that is drawn.
    device, progress
        As for `prunescope.training.infer`; `progress` gets how much of all the work is done, in
        thousandths of passes over the images, and a note.

    Raises
    ------
    ConfigError
        A setting makes no sense, or the scorer asks for what is not given.
    DataError
        Predictions, model and data do not fit together.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.random((500, 2)) < (0.1, 0.5)
    >>> logits = labels * 6.0 - 3 + rng.normal(0, 1, labels.shape)
    >>> found = forecast(logits, labels=labels, attributes=["Bald", "Smiling"], sparsity=0.95)
    >>> found
    Forecast('dense' at 95.0%: 500 samples × 2 attributes, spectral-shrink, tier A)
    >>> found.riskiest(1).select("attribute", "answer", "why").row(0)
    ('Smiling', True, 'near the threshold')
    """
    start = time.monotonic()
    if not 0 < sparsity < 1:
        raise ConfigError(outside_share("sparsity", sparsity))
    if (model is None) != (dataset is None):
        raise ConfigError("a model and its data go together: give both, or neither")
    name, chosen = _choose(scorer, tier, model)
    truth = Truth(labels, groups, attributes, classes, ids)
    dense, validation, pruned, notes = _read(dense, validation, pruned_validation, truth, scores)
    workshop = None
    if model is not None and dataset is not None:
        passes = chosen.passes * (1 + len({sparsity_of(one, sparsity) for one in pruned}))
        meter = None if progress is None or not passes else Meter(passes, progress)
        workshop = Workshop(model, dataset, recipe, seed, device, meter)
    rates, warnings = rates_of([dense.metadata], train_rates, dense.samples.rates)
    known, of_rates = _base_rates(dense, train_rates)
    if validation is not None:
        warnings += _overlap(validation, dense)
    lab = workshop.lab(dense) if workshop and chosen.tier != "A" else None
    case = Case(dense, known, sparsity, validation, lab)
    outlook = chosen.look(case)
    calibration, of_calibration = calibrate(chosen, case, workshop, pruned)
    probability, source = _probability(calibration, dense, outlook)
    identity = list(identity) if identity is not None else _groups(dense)
    slices = Slices.of(dense.samples, identity)
    warnings += check_groups({g: dense.samples.groups[g].values for g in identity}, None)
    leanings = Leanings(dense.attributes, slices, rates, min_support)
    rows = attribute_rows(case, leanings, name, outlook, seed)
    expected = expected_margins(case, outlook)
    return Forecast(
        info=ForecastInfo(
            model=dense.name,
            metadata=_told(dense.metadata, rates),
            thresholds=_thresholds(dense),
            task=dense.samples.task,
            sparsity=sparsity,
            scorer=name,
            tier=chosen.tier,
            summary=chosen.summary,
            probabilities=source,
            calibration=calibration,
            attributes=dense.attributes,
            groups=tuple(identity),
            n_samples=len(dense.samples),
            reasons=tuple(dict.fromkeys((FAR, NEAR, chosen.why or NEAR))),
            min_support=min_support,
            seed=seed,
            seconds=round(time.monotonic() - start, 2),
            warnings=warnings,
            notes=[*of_rates, *notes, *of_calibration],
        ),
        ids=dense.samples.ids,
        risk=outlook.risk,
        probability=probability,
        margin=case.margins,
        answer=dense.decisions,
        expected=expected,
        why=_why(case, expected),
        attributes=rows,
    )


def _read(
    dense: object, validation: object | None, pruned: object, truth: Truth, scores: Scores
) -> tuple[Predictions, Predictions | None, list[Predictions], list[str]]:
    """Read the dense model on both splits, and the pruned ones on the validation split."""
    model = _one("dense", dense, scores, truth)
    if model.samples.task == "multiclass" and len(model.attributes) == 1:
        raise ConfigError(f"{model.name} knows one class alone: no answer can flip")
    beside = None
    if validation is not None:
        beside = in_order_of(_one("validation", validation, scores, Truth()), model)
    given = each("pruned_validation", pruned)
    samples = None if beside is None else beside.samples
    return model, beside, *read_models(given, scores=scores, beside=samples)


def _one(argument: str, given: object, scores: Scores, truth: Truth) -> Predictions:
    """Read one model, in whatever form it is given."""
    listed = each(argument, given)
    if len(listed) != 1:
        raise ConfigError(f"{argument} holds {len(listed)} models: expected one")
    return read_models(listed, truth, scores=scores)[0][0]


def _choose(scorer: str | None, tier: Tier | None, model: object) -> tuple[str, Scorer]:
    """Choose the scorer by what was asked for, else by what there is."""
    if tier is not None and tier not in BEST:
        raise ConfigError(one_of("tier", tier, BEST))
    if scorer is not None and scorer not in SCORERS:
        raise ConfigError(one_of("scorer", scorer, SCORERS))
    name = scorer or BEST[tier or ("A" if model is None else "B")]
    chosen = SCORERS[name]
    if tier is not None and chosen.tier != tier:
        raise ConfigError(f"scorer {name} is of tier {chosen.tier}, not {tier}: name one of them")
    return name, chosen


def _base_rates(dense: Predictions, given: TrainRates | None) -> tuple[TrainRates, list[str]]:
    """Return the rates that risks may rest on: of the training split, never of the labels here.

    Where nothing tells the rate of an attribute, the dense model's mean probability stands in.
    """
    told = given or dense.metadata.train_rates() or TrainRates({}, {})
    untold = [a for a in dense.attributes if a not in told.prevalence]
    if not untold:
        return told, []
    means = dict(zip(dense.attributes, dense.probabilities.mean(axis=0), strict=True))
    prevalence = {a: told.prevalence.get(a, float(means[a])) for a in dense.attributes}
    note = (
        f"no training rate is known of {shorten(untold)}: for the risk of an answer, the dense "
        "model's mean probability stands in"
    )
    return replace(told, prevalence=prevalence), [note]


def _overlap(validation: Predictions, dense: Predictions) -> list[str]:
    """Warn where validation may hold the very samples that are forecast."""
    shared = validation.samples.ids.is_in(dense.samples.ids.implode()).sum()
    if not shared:
        return []
    return [
        f"{shared:,} ids of the validation split are ids of samples to forecast, too: if they are "
        "the same samples, probabilities and temperatures have seen what they foretell"
    ]


def _thresholds(dense: Predictions) -> dict[str, float] | None:
    """Return the thresholds above which an answer is yes, if they are not 0."""
    if dense.thresholds is None:
        return None
    return dict(zip(dense.attributes, map(float, dense.thresholds), strict=True))


def _probability(
    calibration: Calibration | None, dense: Predictions, outlook: Outlook
) -> tuple[Floats | None, str | None]:
    """Return the probability of flipping (N, A) and where it comes from, if there is one."""
    found, source = outlook.flip_probability, "the scorer's own"
    if calibration is not None:
        found = calibrated(calibration, dense, outlook)
        source = f"calibrated on {shorten(calibration.names)}"
    return (None, None) if found is None else (found.astype(np.float32, copy=False), source)


def _told(metadata: Metadata, rates: TrainRates) -> Metadata:
    """Return the metadata with the rates that the forecast rests on."""
    by_group = {group: dict(of) for group, of in rates.group_rates.items()}
    told = {"train_prevalence": dict(rates.prevalence), "train_group_rates": by_group}
    return metadata.model_copy(update=told)


def _groups(dense: Predictions) -> list[str]:
    return [name for name in dense.samples.groups if name != dense.samples.cluster]


def _why(case: Case, expected: Floats | None) -> NDArray[np.uint8]:
    """Say why an answer is at risk: a position in the reasons."""
    distance = abs(case.margins)
    why = np.zeros(distance.shape, np.uint8)
    if expected is not None:
        towards = np.where(case.dense.decisions, expected, -expected)
        why[towards < distance / 2] = 2
    why[distance < np.log(BAND[1] / BAND[0])] = 1
    return why
