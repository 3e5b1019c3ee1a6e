"""A search under a policy: candidates are pruned, asked and audited until the answer is known.

Everything that is made stays in one folder, and nothing that is there is made again: a search that
was stopped goes on by the same call, and another policy costs only the trainings that it adds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.audit import Audit, audit
from prunescope.audit.result import FEWEST
from prunescope.data import DataConfig, Dataset
from prunescope.errors import ConfigError, DataError, one_of, shorten
from prunescope.files import leftovers, remove_leftovers, replacing
from prunescope.inputs import read_json
from prunescope.mitigate import SPARSITIES, Search, highest_sparsity
from prunescope.mitigate.search import TEST, VALIDATION
from prunescope.predictions import Predictions
from prunescope.study.stages import factory_of, model_name, predict_split, prune_model
from prunescope.study.sweep import ShowProgress, note_steps
from prunescope.verdict import Finding, Judge, Policy
from prunescope.verdict.judgement import shown

if TYPE_CHECKING:
    from prunescope.models import Checkpoint
    from prunescope.training import Recipe

DENSE = "dense"
"""The name of the model that is pruned."""

SETTINGS_FILE = "settings.json"

SHOWN = 3
"""Criteria that an error names."""

WARM = ("gmp-pt", "linear-pt", "one-shot")
"""Methods that can go on from a pruned model: they start from a trained one and remove single
weights. (The sparsity of ``structured`` is the share of the channels that are still there.)"""


@dataclass(frozen=True)
class SearchPlan:
    """What to search for, and how candidates are made.

    Parameters
    ----------
    policy : Policy
        What candidates are held to.
    recipes : mapping of str to Recipe or None
        Method → how it trains; None: not at all. The methods to search among.
    sparsities : sequence of float
        Candidates, in (0, 1).
    warm : bool
        Prune each candidate from the one below it instead of from dense, upwards until one does not
        hold. For methods that start from a trained model and remove single weights.
    seed : int, optional
        Of all that is random in a pruning; default: the recipe's.
    data : DataConfig, optional
        How the data set was loaded, kept with the models.
    device : str, optional
    audit : mapping
        Settings of the audits, such as `replicates`, `confidence`, `min_support`.
    """

    policy: Policy
    recipes: Mapping[str, Recipe | None]
    sparsities: Sequence[float] = SPARSITIES
    warm: bool = False
    seed: int | None = None
    data: DataConfig | None = None
    device: str | None = None
    audit: Mapping[str, Any] = field(default_factory=dict)


def run_search(
    dense: Checkpoint, dataset: Dataset, plan: SearchPlan, folder: Path, *, show: ShowProgress
) -> Search:
    """Find how far a model can be pruned under a policy; leave everything in `folder`.

    The folder gets ``search.json``, ``trials.parquet``, the pruned models in ``models``, and their
    predictions in ``val`` and, for the choice alone, in ``test``.

    Parameters
    ----------
    dense : Checkpoint
    dataset : Dataset
        With the splits train, val and test, and the model's attributes.
    plan : SearchPlan
    folder : path
    show : callable
        Shows progress.

    Raises
    ------
    ConfigError
        A setting makes no sense, the policy is about something unknown, or the folder holds models
        that were made otherwise.
    DataError
        A split is missing, or the validation data could not tell even of the dense model beside
        itself whether it may be shipped.
    """
    _check(plan)
    for split in ("train", VALIDATION, TEST):
        dataset.split(split)  # an absent one is told before any training
    _claim(folder, _sources(dense, dataset))
    trials = _Trials(dense, dataset, plan, folder, show)
    _check_tellable(plan.policy, trials.answers(DENSE, VALIDATION, lambda: dense), plan.audit)
    _claim(folder, _choices(plan))
    found = highest_sparsity(
        plan.policy,
        trials.evaluate,
        list(plan.recipes),
        plan.sparsities,
        "climb" if plan.warm else "bisection",
    )
    found.save(folder)
    return found


def chosen_model(found: Search, folder: Path) -> Path | None:
    """Return the folder of the model that a search has chosen, if any."""
    choice = found.info.choice
    if choice is None:
        return None
    return folder / "models" / model_name(choice.method, choice.sparsity)


@dataclass(frozen=True)
class _Trials:
    """Makes the models of a search, unless they are there already, and audits them."""

    dense: Checkpoint
    dataset: Dataset
    plan: SearchPlan
    folder: Path
    show: ShowProgress

    def evaluate(self, method: str, sparsity: float, split: str) -> Audit:
        """Return the audit of one candidate on one split."""
        name = model_name(method, sparsity)
        answers = self.answers(name, split, lambda: self.model(method, sparsity))
        dense = self.answers(DENSE, split, lambda: self.dense)
        return audit(dense, answers, **self.plan.audit)

    def answers(self, name: str, split: str, model: Callable[[], Checkpoint]) -> Predictions:
        """Return a model's predictions on a split."""
        file = self.folder / split / f"{name}.parquet"
        if file.exists():
            return Predictions.load(file)
        remove_leftovers(leftovers(file.parent, file.name))
        asked = model()
        with self.show(f"ask {name} about {split}") as update:
            return predict_split(
                asked, self.dataset, split, file, device=self.plan.device, progress=update
            )

    def model(self, method: str, sparsity: float) -> Checkpoint:
        """Return a pruned model."""
        from prunescope.models import load_checkpoint

        name = model_name(method, sparsity)
        target = self.folder / "models" / name
        if target.exists():
            return load_checkpoint(target, factory=factory_of(self.dense.provenance))
        parent = self.parent(method, sparsity)
        with self.show(f"prune to {name}") as update:
            return prune_model(
                parent, self.dataset.split("train"), method, sparsity, target,
                recipe=self.plan.recipes[method], data=self.plan.data, device=self.plan.device,
                on_step=note_steps(update), seed=self.plan.seed,
            )  # fmt: skip

    def parent(self, method: str, sparsity: float) -> Checkpoint:
        """Return the model that is pruned: the dense one or, warm, the candidate below."""
        below = [other for other in self.plan.sparsities if other < sparsity]
        return self.model(method, max(below)) if self.plan.warm and below else self.dense


def _check(plan: SearchPlan) -> None:
    """Raise where methods are unknown or cannot go on from a pruned model, or nothing decides."""
    from prunescope.pruning import METHODS

    for method in plan.recipes:
        if method not in METHODS:
            raise ConfigError(one_of("method", method, METHODS))
        if plan.warm and method not in WARM:
            raise ConfigError(
                f"a warm search goes on from a pruned model, which {method} cannot: choose "
                f"{' or '.join(WARM)}, or leave out warm"
            )
    if plan.audit.get("replicates", FEWEST) < FEWEST:
        raise ConfigError(
            f"{plan.audit['replicates']} replicates: a search decides by the ends of "
            f"intervals, so expected at least {FEWEST}"
        )


def _claim(folder: Path, settings: dict[str, Any]) -> None:
    """Note what a folder's models are made of; raise where those in it are made of something else.

    Settings that the folder does not know, such as the recipe of another method, are added.
    """
    file = folder / SETTINGS_FILE
    try:
        known = read_json(file) if file.exists() else {}
    except (ValueError, OSError) as error:
        raise DataError(f"{file} cannot be read: {error}; choose another folder") from error
    other = [name for name, value in settings.items() if known.get(name, value) != value]
    if other:
        raise ConfigError(
            f"{folder} holds a search with another {shorten(other)}: choose another folder, or "
            "give the settings that it began with"
        )
    remove_leftovers(leftovers(folder, file.name))
    with replacing(file) as beside:
        beside.write_text(json.dumps(known | settings, indent=1), encoding="utf-8")


def _sources(dense: Checkpoint, dataset: Dataset) -> dict[str, Any]:
    """Return what all predictions of a search depend on."""
    from prunescope.models import weights_digest

    return {
        "dense model": weights_digest(dense.model),
        "data set": dataset.fingerprint,
        "cluster": dataset.samples.cluster,
    }


def _choices(plan: SearchPlan) -> dict[str, Any]:
    """Return what its pruned models depend on besides."""
    choices: dict[str, Any] = {"seed": plan.seed, "warm start": plan.warm}
    if plan.warm:  # each model depends on those below
        choices["list of sparsities"] = sorted(plan.sparsities)
    for method, recipe in plan.recipes.items():
        choices[f"recipe of {method}"] = recipe and recipe.model_dump(mode="json")
    return choices


def _check_tellable(policy: Policy, dense: Predictions, settings: Mapping[str, Any]) -> None:
    """Raise where nobody could tell even of the dense model, compared with itself.

    That finds unknown names, too little support, too few samples and metrics that need other models
    before anything is trained.
    """
    itself = replace(dense, metadata=dense.metadata.model_copy(update={"name": "dense itself"}))
    findings = Judge(audit(dense, itself, **settings), policy).findings("dense itself")
    untold = [text for one in findings if (text := _untold(one)) is not None]
    if untold:
        more = f"\nand {len(untold) - SHOWN} more" if len(untold) > SHOWN else ""
        raise DataError(
            f"split {VALIDATION} could not tell even of the dense model beside itself whether it "
            "may be shipped: use more data, name attributes and groups that have enough samples, "
            "or leave these out\n" + "\n".join(untold[:SHOWN]) + more
        )


def _untold(found: Finding) -> str | None:
    """Say what of a criterion is open though nothing changed; none where it can be told.

    A bound of the value itself may be open, as a pruned model may have another value.
    """
    criterion, judged = found.criterion, found.judged
    of_value = criterion.bounded and not criterion.relative
    told = judged.state not in ("open", "not judged") or (of_value and not judged.n_untold)
    return None if told or not criterion.decides else f"{shown(judged.criterion)}: {judged.text}"
