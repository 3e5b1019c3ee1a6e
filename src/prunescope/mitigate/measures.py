"""The measures that need no training, by name: fitted on validation, applied to a test split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from prunescope.data.columns import UNKNOWN
from prunescope.errors import ConfigError
from prunescope.mitigate.adjust import fit_adjustment
from prunescope.mitigate.risk import OWN_MARGIN, To
from prunescope.mitigate.router import route
from prunescope.mitigate.splits import check_apart, side_by_side
from prunescope.predictions import Predictions


@dataclass(frozen=True)
class Scene:
    """A dense and a pruned model, each on a validation and a test split.

    Parameters
    ----------
    dense_validation, pruned_validation, dense_test, pruned_test : Predictions
        Of one split, the dense model has all samples of the pruned one; labels and groups that one
        of them lacks are taken from the other.
    group : str, optional
        For measures that treat its values apart.
    share : float
        Of answers that routing sends.
    score : str
        What routing takes for risk, as in `route`.
    macs : pair of float, optional
        Multiplications of the dense and the pruned model for one sample.
    min_support : int

    Raises
    ------
    DataError
        Predictions do not fit together: the splits hold other models or attributes, or share
        samples.
    """

    dense_validation: Predictions
    pruned_validation: Predictions
    dense_test: Predictions
    pruned_test: Predictions
    group: str | None = None
    share: float = 0.05
    score: str = OWN_MARGIN
    macs: tuple[float, float] | None = None
    min_support: int = 10

    def __post_init__(self) -> None:
        fitted = side_by_side(self.pruned_validation, self.dense_validation)
        judged = side_by_side(self.pruned_test, self.dense_test)
        judged = check_apart(fitted[0], judged[0]), check_apart(fitted[1], judged[1])
        for split, models in (("validation", fitted), ("test", judged)):
            for kind, model in zip(("pruned", "dense"), models, strict=True):
                object.__setattr__(self, f"{kind}_{split}", model)


@dataclass(frozen=True)
class Candidate:
    """What a measure makes of the pruned model: its answers on the test split, and their price.

    Parameters
    ----------
    name : str
    test : Predictions
    needs : str
        What must be known of a sample when it is answered, in words.
    cost : str
        What else it takes, in words.
    summary : str
        What it does, in words.
    """

    name: str
    test: Predictions
    needs: str
    cost: str
    summary: str = ""


@dataclass(frozen=True)
class Measure:
    """A way to make up for what pruning broke.

    Parameters
    ----------
    summary : str
    run : callable
        `Scene` and the measure's name → `Candidate`.
    by_group : bool
        Whether it needs a group.
    tasks : tuple of str
        For which it is made.
    labels : bool
        Whether it needs labels on the validation split.
    """

    summary: str
    run: Callable[[Scene, str], Candidate]
    by_group: bool = False
    tasks: tuple[str, ...] = ("multilabel",)
    labels: bool = True


def _adjusting(
    *, criterion: str | None = None, calibration: str | None = None, by_group: bool = False
) -> Callable[[Scene, str], Candidate]:
    """Return the run of a measure that fits an adjustment."""

    def run(scene: Scene, name: str) -> Candidate:
        fitted = fit_adjustment(
            scene.pruned_validation,
            criterion=criterion,
            calibration=calibration,
            dense=scene.dense_validation,
            group=scene.group if by_group else None,
            min_support=scene.min_support,
        )
        test = fitted.apply(scene.pruned_test)
        return Candidate(name, test, fitted.adjustment.needs, "nothing")

    return run


def _routing(to: To, *, whole: bool = False) -> Callable[[Scene, str], Candidate]:
    """Return the run of a measure that sends a share of the answers, or of whole samples."""

    def run(scene: Scene, name: str) -> Candidate:
        found = route(
            scene.pruned_validation, scene.dense_validation, to=to, score=scene.score, whole=whole,
            share=scene.share, min_support=scene.min_support, macs=scene.macs,
            test=(scene.pruned_test, scene.dense_test),
        )  # fmt: skip
        test = found.apply(scene.pruned_test, scene.dense_test)
        return Candidate(name, test, found.info.needs, found.price())

    return run


MEASURES: Mapping[str, Measure] = {
    "prevalence": Measure(
        "thresholds or offsets: answered as often as labels say",
        _adjusting(criterion="prevalence"),
        tasks=("multilabel", "multiclass"),
    ),
    "dense-rate": Measure(
        "thresholds or offsets: answered as often as by the dense model",
        _adjusting(criterion="dense-rate"),
        tasks=("multilabel", "multiclass"),
        labels=False,
    ),
    "dense-tpr": Measure(
        "thresholds: the dense model's true positive rates", _adjusting(criterion="dense-tpr")
    ),
    "f1": Measure("thresholds: highest F1", _adjusting(criterion="f1")),
    "balanced-accuracy": Measure(
        "thresholds: highest balanced accuracy", _adjusting(criterion="balanced-accuracy")
    ),
    "macro-recall": Measure(
        "offsets: highest mean recall over classes",
        _adjusting(criterion="macro-recall"),
        tasks=("multiclass",),
    ),
    "macro-f1": Measure(
        "offsets: highest mean F1 over classes",
        _adjusting(criterion="macro-f1"),
        tasks=("multiclass",),
    ),
    "group-prevalence": Measure(
        "thresholds or offsets by group: answered as often as labels say",
        _adjusting(criterion="prevalence", by_group=True),
        by_group=True,
        tasks=("multilabel", "multiclass"),
    ),
    "group-equal-tpr": Measure(
        "thresholds by group: true positive rates as high as the highest",
        _adjusting(criterion="equal-tpr", by_group=True),
        by_group=True,
    ),
    "temperature": Measure(
        "calibration: logits divided by a temperature",
        _adjusting(calibration="temperature"),
        tasks=("multilabel", "multiclass"),
    ),
    "isotonic": Measure(
        "calibration: rising curves from logits to log-odds", _adjusting(calibration="isotonic")
    ),
    "route-dense": Measure(
        "routing: the riskiest answers to the dense model",
        _routing("dense"),
        tasks=("multilabel", "multiclass"),
        labels=False,
    ),
    "route-images": Measure(
        "routing: images with the riskiest answers to the dense model, whole",
        _routing("dense", whole=True),
        labels=False,
    ),
    "route-person": Measure(
        "routing: the riskiest answers to a person",
        _routing("person"),
        tasks=("multilabel", "multiclass"),
    ),
}
"""Measures by name."""


def measures_for(scene: Scene) -> list[str]:
    """Return the names of the measures that a scene has all for."""
    task, labels = scene.pruned_test.samples.task, scene.pruned_validation.samples.labels
    labelled = (labels != UNKNOWN).any()
    return [
        name
        for name, measure in MEASURES.items()
        if task in measure.tasks
        and (scene.group is not None or not measure.by_group)
        and (labelled or not measure.labels)
    ]


def take(scene: Scene, name: str) -> Candidate:
    """Run one measure of `MEASURES`.

    Raises
    ------
    ConfigError
        It needs a group, or is not for this task.
    """
    measure, task = MEASURES[name], scene.pruned_test.samples.task
    if task not in measure.tasks:
        others = ", ".join(key for key, one in MEASURES.items() if task in one.tasks)
        raise ConfigError(f"measure {name} is not for a {task} task; for it are {others}")
    if measure.by_group and scene.group is None:
        raise ConfigError(f"measure {name} treats the values of a group apart: name one")
    found = measure.run(scene, name)
    metadata = found.test.metadata.model_copy(update={"name": name})
    test = replace(found.test, metadata=metadata)
    return replace(found, test=test, summary=measure.summary)
