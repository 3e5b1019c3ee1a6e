"""The stages of a run: train, prune, predict. Each reads folders and files, and leaves one."""

from prunescope.study.stages.ask import metadata_of, predict_elsewhere, predict_split
from prunescope.study.stages.keep import (
    OnStep,
    factory_of,
    match_attributes,
    model_name,
    state_folder,
)
from prunescope.study.stages.make import (
    adopt_model,
    finetune_model,
    prune_model,
    quantize_model,
    train_model,
)

__all__ = [
    "OnStep",
    "adopt_model",
    "factory_of",
    "finetune_model",
    "match_attributes",
    "metadata_of",
    "model_name",
    "predict_elsewhere",
    "predict_split",
    "prune_model",
    "quantize_model",
    "state_folder",
    "train_model",
]
