"""What a caller says of a model, over what its file says."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from prunescope.predictions.metadata import Metadata
from prunescope.predictions.scores import Scores


class Told(BaseModel):
    """What is told of one model; None where nothing is.

    Parameters
    ----------
    name, method : str, optional
        What it is called, and how it was compressed.
    sparsity : float, optional
        Share of its weights that were removed, in [0, 1). It also stands for what a file counted.
    seed : int, optional
        Of its training: the model is compared with the dense one of the same seed.
    scores : {"logits", "probability"}, optional
        What its scores are.

    Examples
    --------
    >>> metadata = Told(method="gmp", sparsity=0.9, seed=1).over(Metadata(name="small"))
    >>> metadata.name, metadata.compression.method, metadata.seed
    ('small', 'gmp', 1)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1)] | None = None
    method: Annotated[str, Field(min_length=1)] | None = None
    sparsity: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    scores: Scores | None = None

    def over(self, metadata: Metadata) -> Metadata:
        """Return provenance with what is told in place of what it says."""
        how: dict[str, Any] = {}
        if self.method is not None:
            how["method"] = self.method
        if self.sparsity is not None:
            how |= {"sparsity": self.sparsity, "weights_kept": None, "channels_kept": None}
        update: dict[str, Any] = {
            key: value for key in ("name", "seed") if (value := getattr(self, key)) is not None
        }
        if how:
            update["compression"] = metadata.compression.model_copy(update=how)
        return metadata.model_copy(update=update)
