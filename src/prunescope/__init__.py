"""Prune vision classifiers and see what pruning did that accuracy hides.

The public names are loaded when they are first used, so that ``import prunescope`` is fast and
needs no torch:

>>> import prunescope as ps
>>> ps.Predictions.load  # doctest: +ELLIPSIS
<bound method Predictions.load of <class 'prunescope.predictions.record.Predictions'>>
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunescope.audit import Audit, audit, audit_files
    from prunescope.data import DataConfig, Dataset, Samples, load_dataset, synthetic_faces
    from prunescope.errors import PrunescopeError
    from prunescope.forecast import Forecast, forecast
    from prunescope.mitigate import Overrides
    from prunescope.models import build_model, load_checkpoint, save_checkpoint
    from prunescope.predictions import Embeddings, Metadata, Predictions, embed, predict
    from prunescope.pruning import Masks, Pruner, export_onnx, gains, prune, quantize
    from prunescope.report import sample_table, write_report, write_samples
    from prunescope.sensitivity import Plan, Sensitivity, layer_sensitivity, plan_layers
    from prunescope.slices import Slices, find_slices
    from prunescope.training import Distill, Recipe, train
    from prunescope.verdict import Policy, verdict  # type: ignore[no-redef]

__version__ = "0.1.0"

_HOME = {
    "Audit": "audit",
    "DataConfig": "data",
    "Dataset": "data",
    "Distill": "training",
    "Embeddings": "predictions",
    "Forecast": "forecast",
    "Masks": "pruning",
    "Metadata": "predictions",
    "Overrides": "mitigate",
    "Plan": "sensitivity",
    "Policy": "verdict",
    "Predictions": "predictions",
    "Pruner": "pruning",
    "PrunescopeError": "errors",
    "Recipe": "training",
    "Samples": "data",
    "Sensitivity": "sensitivity",
    "Slices": "slices",
    "audit": "audit",
    "audit_files": "audit",
    "build_model": "models",
    "embed": "predictions",
    "export_onnx": "pruning",
    "find_slices": "slices",
    "forecast": "forecast",
    "gains": "pruning",
    "layer_sensitivity": "sensitivity",
    "load_checkpoint": "models",
    "load_dataset": "data",
    "plan_layers": "sensitivity",
    "predict": "predictions",
    "prune": "pruning",
    "quantize": "pruning",
    "sample_table": "report",
    "save_checkpoint": "models",
    "synthetic_faces": "data",
    "train": "training",
    "verdict": "verdict",
    "write_report": "report",
    "write_samples": "report",
}

__all__ = [
    "Audit",
    "DataConfig",
    "Dataset",
    "Distill",
    "Embeddings",
    "Forecast",
    "Masks",
    "Metadata",
    "Overrides",
    "Plan",
    "Policy",
    "Predictions",
    "Pruner",
    "PrunescopeError",
    "Recipe",
    "Samples",
    "Sensitivity",
    "Slices",
    "audit",
    "audit_files",
    "build_model",
    "embed",
    "export_onnx",
    "find_slices",
    "forecast",
    "gains",
    "layer_sensitivity",
    "load_checkpoint",
    "load_dataset",
    "plan_layers",
    "predict",
    "prune",
    "quantize",
    "sample_table",
    "save_checkpoint",
    "synthetic_faces",
    "train",
    "verdict",
    "write_report",
    "write_samples",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Load a public name from the package that defines it."""
    if name not in _HOME:
        raise AttributeError(f"module 'prunescope' has no attribute {name!r}")
    return getattr(import_module(f"prunescope.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
