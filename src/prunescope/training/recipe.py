"""Recipes: all that decides how a model is trained, but for the data and the device."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from prunescope.errors import ConfigError


class Recipe(BaseModel):
    """How to train.

    The loss is not among the choices, as it follows from the task: binary cross-entropy for
    attributes, cross-entropy for classes.

    Parameters
    ----------
    steps : int, optional
        Length of the training in updates of the weights.
    epochs : float, optional
        Or in passes over the data. Exactly one of the two is given.
    batch_size : int
        Images per step. The learning rate is not adapted to it: where you multiply one, multiply
        the other.
    optimizer : {"sgd", "adam"}
    learning_rate : float
        Its peak.
    momentum : float
        Weight of the past in the running mean of the gradients, in [0, 1): momentum of SGD, β₁ of
        Adam.
    nesterov : bool
        Look ahead with the momentum (SGD alone).
    weight_decay : float
        Strength of the L2 penalty on the weights of convolutions and linear layers. Biases and
        normalisation have none.
    schedule : {"cosine", "one-cycle", "multi-step", "constant"}
        How the learning rate goes after the warm-up; see `learning_rate_at`.
    warmup : float
        Share of the steps over which the learning rate rises to its peak, in [0, 1).
    milestones : tuple of float
        Shares of the steps at which ``multi-step`` multiplies the learning rate by `gamma`.
    gamma : float
    flip : bool
        Mirror each image left to right with probability 1/2.
    crop_padding : int
        Shift each image by up to so many pixels either way, repeating its edge.
    precision : {"float32", "bf16"}
        ``bf16`` computes in bfloat16 on GPUs and processors with units for it (AMX), where that is
        faster, and in float32 elsewhere. Weights stay float32.
    channels_last : bool
        Keep the channels of a pixel together in memory; faster for convolutions.
    compile : bool
        Compile the model on a GPU; without one, this has no effect.
    seed : int
        Of the order of the images, of augmentation and of dropout.
    deterministic : bool
        Use only operations that give the same bits each time.

    Raises
    ------
    ConfigError
        Settings contradict each other.
    pydantic.ValidationError
        A value has the wrong type or is out of range.

    Examples
    --------
    >>> recipe = Recipe(epochs=20, learning_rate=0.5)
    >>> recipe.replace(steps=100).epochs is None
    True
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    steps: PositiveInt | None = None
    epochs: PositiveFloat | None = None
    batch_size: PositiveInt = 128
    optimizer: Literal["sgd", "adam"] = "sgd"
    learning_rate: PositiveFloat = 0.1
    momentum: float = Field(default=0.9, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: NonNegativeFloat = 0.0
    schedule: Literal["cosine", "one-cycle", "multi-step", "constant"] = "cosine"
    warmup: float = Field(default=0.05, ge=0, lt=1)
    milestones: tuple[PositiveFloat, ...] = (0.5, 0.75)
    gamma: PositiveFloat = 0.1
    flip: bool = True
    crop_padding: NonNegativeInt = 0
    precision: Literal["float32", "bf16"] = "float32"
    channels_last: bool = True
    compile: bool = False
    seed: NonNegativeInt = 0
    deterministic: bool = False

    @model_validator(mode="after")
    def _check(self) -> Recipe:
        if (self.steps is None) == (self.epochs is None):
            raise ConfigError(
                f"a recipe needs either steps or epochs: got steps={self.steps} and "
                f"epochs={self.epochs}"
            )
        if self.nesterov and (self.optimizer != "sgd" or self.momentum == 0):
            raise ConfigError(
                f"nesterov needs optimizer='sgd' with momentum above 0: got {self.optimizer!r} "
                f"with momentum {self.momentum}"
            )
        if self.schedule == "one-cycle" and self.warmup == 0:
            raise ConfigError(
                "schedule 'one-cycle' needs a warm-up (0.3 is usual): got warmup=0; give one, or "
                "choose 'cosine'"
            )
        if list(self.milestones) != sorted(self.milestones) or max(self.milestones, default=0) >= 1:
            raise ConfigError(
                f"milestones {self.milestones}: expected rising shares of the steps, below 1"
            )
        return self

    def replace(self, **changes: Any) -> Recipe:  # noqa: ANN401 - checked by the class
        """Return this recipe with some settings changed; giving `steps` takes away `epochs`."""
        settings = self.model_dump()
        if {"steps", "epochs"} & changes.keys():
            settings |= {"steps": None, "epochs": None}
        return Recipe(**settings | changes)

    def total_steps(self, n_samples: int) -> int:
        """Return the length of training on `n_samples`, in steps.

        Examples
        --------
        >>> Recipe(epochs=2.5, batch_size=10).total_steps(n_samples=48)
        10
        """
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, round(self.epochs * self.steps_per_epoch(n_samples)))

    def steps_per_epoch(self, n_samples: int) -> int:
        """Return the steps of one pass over `n_samples`.

        All batches have one size, so an epoch leaves out the samples, others each time, that would
        not fill the last one. Fewer samples than a batch make one smaller batch.

        Examples
        --------
        >>> Recipe(epochs=1, batch_size=10).steps_per_epoch(n_samples=48)
        4
        """
        return max(1, n_samples // self.batch_size)


RECIPES: dict[str, Recipe] = {
    # The paper's, for batches of 256. It gives the sparse models of GMP-RI this weight decay and
    # the dense ones none; here both have it, so that they differ in nothing but sparsity.
    "paper-ri": Recipe(
        epochs=100,
        batch_size=256,
        learning_rate=0.256,
        momentum=0.875,
        weight_decay=3.05e-5,
        warmup=0.05,
    ),
    # The paper's, from a trained model: Adam at one learning rate throughout.
    "paper-pt": Recipe(
        epochs=80,
        batch_size=256,
        optimizer="adam",
        learning_rate=1e-4,
        schedule="constant",
        warmup=0.0,
    ),
    # For some 20,000 images and a small network. The loss is a mean over all attributes, so its
    # gradients are small and SGD takes large steps.
    "small": Recipe(epochs=12, learning_rate=1.0, nesterov=True, weight_decay=5e-5, warmup=0.1),
    "small-pt": Recipe(epochs=6, learning_rate=0.3, nesterov=True, weight_decay=5e-5, warmup=0.1),
    # For some thousand images and half a minute on two cores.
    "demo": Recipe(steps=250, learning_rate=1.0, nesterov=True, weight_decay=5e-5, warmup=0.1),
    "demo-pt": Recipe(steps=120, learning_rate=0.3, nesterov=True, weight_decay=5e-5, warmup=0.1),
}
"""The recipes that have a name. Those that end in ``pt`` go on from a trained (pretrained) model;
the others start from fresh weights, to stay dense or to be pruned on the way."""
