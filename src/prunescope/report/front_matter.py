"""`front_matter`: what a model card tells the Hugging Face hub, as YAML before its text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import yaml

from prunescope.errors import ConfigError
from prunescope.report.structure import ModelSummary, Report
from prunescope.verdict.glossary import label_of
from prunescope.verdict.judgement import shown

TASKS = {"attribute": "Multi-label Image Classification", "class": "Image Classification"}
"""What a report calls an attribute → the task in words."""

UNKNOWN = "unknown"
"""A data set that the files do not name, or several of them: the hub asks for one."""

_NAME = re.compile(r"(?:[\w-][\w.-]*/)?[\w-][\w.-]*", re.ASCII)
_QUANTISED = re.compile(r"int\d|quant", re.IGNORECASE)


def front_matter(report: Report) -> str:
    """Render the metadata of a model card: what it was made of, how, and the key figures.

    An entry of ``model-index`` for each compressed model, or population of them, holds those of its
    key figures that could be estimated, to six significant digits. ``base_model_relation`` stands
    beside ``base_model``, where all of them have one: ``quantized``, or else ``finetune``, which is
    the hub's word for models whose weights were changed otherwise.
    """
    told: dict[str, Any] = {}
    if report.base_model is not None:
        told["base_model"] = report.base_model
        relations = {relation(model) for model in report.compressed}
        if len(relations) == 1 and None not in relations:
            told["base_model_relation"] = relations.pop()
    told["pipeline_tag"] = "image-classification"
    entries = [entry for model in report.compressed if (entry := _entry(report, model))]
    if entries:
        told["model-index"] = entries
    text = yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=math.inf)
    return f"---\n{text}---\n"


def relation(model: ModelSummary) -> str | None:
    """Return what a compressed model is to the one it was made from; None if nothing is told.

    A model that was pruned and then quantised is a quantised one.
    """
    if model.bits is not None or _QUANTISED.search(model.method):
        return "quantized"
    return "finetune" if model.sparsity > 0 or model.method != "dense" else None


def checked_name(name: str) -> str:
    """Return the name of a model on the hub.

    Raises
    ------
    ConfigError
        It cannot be one.

    Examples
    --------
    >>> checked_name("microsoft/resnet-18")
    'microsoft/resnet-18'
    """
    if _NAME.fullmatch(name) is None:
        raise ConfigError(
            f"{name!r} is no name of a model on the Hugging Face hub: expected OWNER/NAME, such as "
            "microsoft/resnet-18"
        )
    return name


def base_of(models: Sequence[dict[str, Any]]) -> str | None:
    """Return the model on the hub that all dense models of a provenance come from, if one.

    Parameters
    ----------
    models : sequence of dict
        Of `prunescope.report.Report.provenance`.

    Examples
    --------
    >>> base_of([{"name": "dense", "model": {"arch": "hf:microsoft/resnet-18"}}])
    'microsoft/resnet-18'
    >>> base_of([{"name": "dense", "model": {"arch": "resnet18"}}]) is None
    True
    """
    dense = [model for model in models if "compared with" not in model]
    names = {str(model.get("model", {}).get("arch", "")) for model in dense}
    name = names.pop().removeprefix("hf:") if len(names) == 1 else ""
    return name if name.count("/") == 1 and _NAME.fullmatch(name) else None


def _entry(report: Report, model: ModelSummary) -> dict[str, Any] | None:
    """Return the entry of one model; None where nothing could be estimated."""
    metrics = [
        {"type": row.metric, "name": label_of(row.metric, report.noun),
         "value": float(f"{row.value:.6g}")}
        for row in model.figures
        if row.value is not None and math.isfinite(row.value)
    ]  # fmt: skip
    if not metrics:
        return None
    about = report.provenance.models
    name = _only({str(one.get("dataset", {}).get("name") or "") for one in about})
    split = _only({str(one.get("split") or "") for one in about})
    dataset = {"name": name or UNKNOWN, "type": name or UNKNOWN}
    result = {
        "task": {"type": "image-classification", "name": TASKS[report.noun]},
        "dataset": dataset | ({"split": split} if split else {}),
        "metrics": metrics,
    }
    return {"name": shown(model.name, 200), "results": [result]}


def _only(names: set[str]) -> str:
    """Return the one name that there is; of several none."""
    return shown(names.pop(), 200) if len(names) == 1 else ""
