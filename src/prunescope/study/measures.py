"""Measures side by side from two models: answers, trained measures, and the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.data import DataConfig, Dataset
from prunescope.errors import CheckpointError, ConfigError, one_of
from prunescope.mitigate import MEASURES, Candidate, Scene
from prunescope.predictions import Predictions
from prunescope.study.stages import finetune_model, predict_split
from prunescope.study.sweep import ShowProgress, note_steps

if TYPE_CHECKING:
    from prunescope.models import Checkpoint
    from prunescope.training import Recipe

TRAINED: Mapping[str, str] = {
    "finetune-none": "training: as before, the control of those below",
    "finetune-distill": "training: from the dense model's answers, too",
    "finetune-constrain": "training: no value of the group may lose more than all",
    "finetune-balance-groups": "training: the values of the group weigh alike",
    "finetune-balance-labels": "training: yes and no weigh alike",
}
"""Measures that train the pruned model again, and what they are."""

BY_GROUP = ("finetune-constrain", "finetune-balance-groups")


@dataclass(frozen=True)
class Models:
    """A dense and a pruned model with their data, for measures that ask or train them.

    Parameters
    ----------
    pruned, dense : Checkpoint
    dataset : Dataset
        All splits.
    recipe : Recipe
        How measures train.
    out : path
        Answers go to ``val`` and ``test`` in it, models to ``models``.
    data : DataConfig, optional
    group : str, optional
        For measures that treat its values apart.
    device : str, optional
    """

    pruned: Checkpoint
    dense: Checkpoint
    dataset: Dataset
    recipe: Recipe
    out: Path
    data: DataConfig | None = None
    group: str | None = None
    device: str | None = None
    names: tuple[str, str] = field(default=("pruned", "dense"))

    def scene(self, show: ShowProgress, **choices: Any) -> Scene:  # noqa: ANN401 - of `Scene`
        """Ask both models about the splits val and test."""
        answers = {}
        for name, model in zip(self.names, (self.pruned, self.dense), strict=True):
            for split in ("val", "test"):
                answers[name, split] = self.ask(model, name, split, show)
        pruned, dense = self.names
        return Scene(
            answers[dense, "val"], answers[pruned, "val"],
            answers[dense, "test"], answers[pruned, "test"], group=self.group, **choices,
        )  # fmt: skip

    def ask(self, model: Checkpoint, name: str, split: str, show: ShowProgress) -> Predictions:
        """Have a model answer a split."""
        path = self.out / split / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        with show(f"{name}, {split}") as update:
            return predict_split(
                model, self.dataset, split, path, name=name, device=self.device, progress=update
            )

    def train(self, names: Sequence[str], show: ShowProgress) -> list[Candidate]:
        """Train the pruned model again by each measure, and have it answer the split test.

        A model that is there already, of the same parent by the same recipe, is not made again; a
        training that was stopped is taken up.

        Raises
        ------
        ConfigError
            A measure is unknown or needs a group, or the folder holds a model that was made
            otherwise.
        """
        for name in names:
            if name not in TRAINED:
                raise ConfigError(one_of("measure", name, [*MEASURES, *TRAINED]))
            if name in BY_GROUP and self.group is None:
                raise ConfigError(f"measure {name} treats the values of a group apart: name one")
        found = []
        for name in names:
            model = self._trained(name, show)
            steps = self.recipe.total_steps(len(self.dataset.split("train")))
            test = self.ask(model, name, "test", show)
            cost = f"{steps:,} steps of training"
            found.append(Candidate(name, test, "nothing but the logits", cost, TRAINED[name]))
        return found

    def _trained(self, name: str, show: ShowProgress) -> Checkpoint:
        folder = self.out / "models" / name
        groups = {"groups": (self.group,)} if name in BY_GROUP else {}
        if folder.exists():
            return self._finished(folder)
        with show(name) as update:
            made, _ = finetune_model(
                self.pruned, self.dense, self.dataset.split("train"),
                name.removeprefix("finetune-"), folder, recipe=self.recipe, data=self.data,
                device=self.device, on_step=note_steps(update), **groups,
            )  # fmt: skip
        return made

    def _finished(self, folder: Path) -> Checkpoint:
        """Return the model in a folder if it was made of this one by this recipe."""
        from prunescope.models import load_checkpoint, weights_digest
        from prunescope.training import Recipe

        found = load_checkpoint(folder)
        made = found.provenance
        told = {} if made.recipe is None else made.recipe
        same = made.parent == weights_digest(self.pruned.model) and Recipe(**told) == self.recipe
        if not same:
            raise CheckpointError(
                f"{folder} was made of another model or by another recipe: name another folder "
                "with -o, or delete this one"
            )
        return found


def trained_for(group: str | None) -> list[str]:
    """Return the measures that train, but for those that need a group where there is none."""
    return [name for name in TRAINED if group is not None or name not in BY_GROUP]
