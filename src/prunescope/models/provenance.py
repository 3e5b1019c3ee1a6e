"""Where a model comes from: what ``prunescope.json`` in a checkpoint says."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import numpy as np
import torch
import transformers
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

import prunescope
from prunescope.data.config import DataConfig
from prunescope.data.dataset import Dataset
from prunescope.models.classifier import Classifier, ModelSpec

FORMAT_VERSION: Literal[1] = 1

Share = Annotated[float, Field(ge=0, le=1)]


class TrainedOn(BaseModel):
    """The data set that a model was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    fingerprint: str
    cluster: str | None = None


class Provenance(BaseModel):
    """What a model is, and all that is needed to make it again.

    Parameters
    ----------
    format_version : int
        Of the checkpoint.
    created : datetime
    versions : dict
        Of prunescope and of the libraries that train.
    git_commit : str or None
        Of the repository that the process ran in.
    model : ModelSpec
    recipe : dict or None
        How it was trained; None if it was not.
    compression : dict
        Its ``method`` and ``sparsity``, what is left as counted, and what else the method was told.
    seed : int or None
    parent : str or None
        `weights_digest` of the model that it was pruned from; None if it started from fresh ones.
    dataset : TrainedOn or None
    data : DataConfig or None
        How that data set was loaded, to load it again.
    train_prevalence : dict or None
        Attribute → share of positives in the training split.
    train_group_rates : dict or None
        Group → value as a string → attribute → share of positives.
    widths : dict or None
        Layer → channels it gives, channels it takes, groups: of the layers of the network that are
        narrower than what its configuration says. What a factory makes is not known beforehand, so
        then of all layers. Saving fills it in; None where it has nothing to say.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: Literal[1] = FORMAT_VERSION
    created: datetime
    versions: dict[str, str]
    git_commit: str | None = None
    model: ModelSpec
    recipe: dict[str, Any] | None = None
    compression: dict[str, Any] = {"method": "dense", "sparsity": 0.0}
    seed: int | None = None
    parent: str | None = None
    dataset: TrainedOn | None = None
    data: DataConfig | None = None
    train_prevalence: dict[str, Share] | None = None
    train_group_rates: dict[str, dict[str, dict[str, Share]]] | None = None
    widths: dict[str, list[int]] | None = None

    @classmethod
    def of(
        cls,
        model: Classifier,
        dataset: Dataset | None = None,
        *,
        recipe: BaseModel | None = None,
        compression: dict[str, Any] | None = None,
        seed: int | None = None,
        parent: str | None = None,
        data: DataConfig | None = None,
    ) -> Provenance:
        """Describe a model made here and now.

        Parameters
        ----------
        model : Classifier
        dataset : Dataset, optional
            The training split; its rates are counted.
        recipe : Recipe, optional
        compression : dict, optional
            By default that of a dense model.
        seed : int, optional
        parent : str, optional
        data : DataConfig, optional
            With which the data set was loaded.
        """
        described: dict[str, Any] = {}
        if dataset is not None:
            rates = dataset.samples.rates()
            described = {
                "dataset": TrainedOn(
                    name=dataset.name,
                    fingerprint=dataset.fingerprint,
                    cluster=dataset.samples.cluster,
                ),
                "train_prevalence": rates.prevalence,
                "train_group_rates": rates.group_rates,
            }
        if compression is not None:
            described["compression"] = compression
        return cls(
            created=datetime.now(UTC),
            versions=_versions(),
            git_commit=_git_commit(),
            model=model.spec,
            recipe=None if recipe is None else recipe.model_dump(mode="json"),
            seed=seed,
            parent=parent,
            data=data,
            **described,
        )


def weights_digest(model: nn.Module) -> str:
    """Hash a model's parameters and buffers, names included: equal for equal weights alone."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _versions() -> dict[str, str]:
    return {
        "prunescope": prunescope.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
    }


def _git_commit() -> str | None:
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
