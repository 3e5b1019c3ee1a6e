"""Provenance of predictions: which model, made how, asked about which data."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from prunescope.data.samples import Task, TrainRates

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class Compression(BaseModel):
    """How a model was made small; `sparsity` is the share of weights removed, in [0, 1)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    method: str = "dense"
    sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.0


class DatasetInfo(BaseModel):
    """Which data the samples come from; `cluster` names the group to resample as a whole."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str | None = None
    fingerprint: str | None = None
    cluster: str | None = None


class Metadata(BaseModel):
    """Provenance of a prediction file, stored as JSON.

    ``train_prevalence`` maps attribute → share of positives in the training split, and
    ``train_group_rates`` maps group → value as a string → attribute → that share. ``fitted_on`` is
    the `sketch` of the ids that thresholds or calibration were fitted to, if the answers have any:
    nothing can be judged or proved on those.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    format_version: Literal[1] = 1
    name: str | None = None
    task: Task = "multilabel"
    split: str = "test"
    model: dict[str, Any] = {}
    compression: Compression = Compression()
    seed: int | None = None
    dataset: DatasetInfo = DatasetInfo()
    train_prevalence: dict[str, Share] | None = None
    train_group_rates: dict[str, dict[str, dict[str, Share]]] | None = None
    fitted_on: tuple[str, ...] = ()

    def train_rates(self) -> TrainRates | None:
        """Return the rates of the training split, or None where the file does not tell them."""
        if self.train_prevalence is None:
            return None
        return TrainRates(self.train_prevalence, self.train_group_rates or {})
