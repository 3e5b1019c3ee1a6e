"""Provenance of predictions: which model, made how, asked about which data."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from prunescope.data.samples import Task, TrainRates

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


Kept: TypeAlias = Annotated[float, Field(gt=0, le=1)]


class Compression(BaseModel):
    """How a model was made small: what was asked for, and what is left as counted.

    ``sparsity`` is the request, in [0, 1): a share of the weights or, where channels are removed,
    of the channels. ``weights_kept`` and ``channels_kept`` are shares of the dense model's that are
    left, in (0, 1]; ``bits`` is the width of a quantised weight. Each is None where the file does
    not tell. Weights are those of all layers that may be pruned (convolutions, linear layers,
    attention), biases and normalisation apart, also in layers that pruning was told to ignore;
    channels those that these layers give, the model's answers apart.

    Examples
    --------
    >>> Compression(method="structured", sparsity=0.5, weights_kept=0.2513).removed
    0.749
    >>> Compression(method="gmp-pt", sparsity=0.95).removed
    0.95
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    method: str = "dense"
    sparsity: Annotated[float, Field(ge=0, lt=1)] = 0.0
    weights_kept: Kept | None = None
    channels_kept: Kept | None = None
    bits: Annotated[int, Field(gt=0)] | None = None

    @property
    def removed(self) -> float:
        """Share of the weights that are gone: as counted, else as asked for.

        What is left counts to three digits, so that models of one request, whose numbers of weights
        are rounded, stand at one place.
        """
        if self.weights_kept is None:
            return self.sparsity
        return round(1 - float(f"{self.weights_kept:.3g}"), 12)


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
    nothing can be judged or proved on those. ``weights`` is a digest of the model's weights, and
    ``parent`` that of the model it was made from; equal digests, equal weights.

    History of the format: 1 (0.1.0) first. Files of format 1 may tell ``weights_kept``,
    ``channels_kept`` and ``bits`` of a compression, ``weights`` and ``parent``, and need not.
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
    weights: str | None = None
    parent: str | None = None

    def train_rates(self) -> TrainRates | None:
        """Return the rates of the training split, or None where the file does not tell them."""
        if self.train_prevalence is None:
            return None
        return TrainRates(self.train_prevalence, self.train_group_rates or {})
