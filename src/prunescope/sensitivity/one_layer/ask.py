"""`ask_layers`: a model, a way and levels in; answers with every layer compressed alone out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError, shorten
from prunescope.models import check_float, fold, to_unit_range, weights_digest
from prunescope.pruning import macs_by_weight, prunable_weights
from prunescope.pruning.layers import check_finite
from prunescope.pruning.refilled import refilled_weights
from prunescope.sensitivity.one_layer.graph import Steps, UntraceableError
from prunescope.sensitivity.one_layer.run import BATCH_SIZE, Branch, Job, Outcome, run_branches
from prunescope.sensitivity.one_layer.ways import FLOAT_BYTES, Unit, Way
from prunescope.training import Processes, Unfinished, device_for, infer
from prunescope.training.batch_norm import reestimation_batches
from prunescope.training.batches import check_fit

UNREACHED = "nothing that is computed from an image reaches it: it has no inputs"
REFILLED = "it computes with other weights than its own, in which zeros would not stay"
IGNORED = "left out as asked"


Rows: TypeAlias = list[dict[str, Any]]


@dataclass(frozen=True)
class Asked:
    """What a model answers with each layer compressed alone.

    Parameters
    ----------
    dense : array (N, A)
        Logits of the model as it is.
    branches : list of Branch
    outcome : Outcome
    rows : list of dict
        One for each layer and level, in order; those of a branch come in the branches' order and
        have ``kept``.
    units : list of Unit
    n_calibration : int
    seconds_a_pass : float
        Of the dense model over as many images as each branch saw.
    """

    dense: NDArray[np.float32]
    branches: list[Branch]
    outcome: Outcome
    rows: Rows
    units: list[Unit]
    n_calibration: int
    seconds_a_pass: float


def ask_layers(
    model: nn.Module,
    training: Dataset,
    scored: Dataset,
    way: Way,
    levels: Sequence[float],
    *,
    together: Sequence[str] = (),
    ignore: str | Sequence[str] = (),
    n_batches: int | None = None,
    batch_size: int | None = None,
    seed: int,
    device: str | None = None,
    state_dir: Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    check: Callable[[Rows], None] | None = None,
) -> Asked:
    """Ask a model about samples, with each layer compressed alone, at each level.

    Parameters and errors are those of `prunescope.sensitivity.layer_sensitivity`; `check` is given
    what the levels leave, before anything is asked.
    """
    if not Processes.current().alone:
        raise ConfigError("layers are looked at by one process: start it without a launcher")
    check_float(model, "to compress a layer of")
    check_fit(model, scored)
    target = device_for(device)
    model = fold(model).to(target).eval()
    check_finite(model.state_dict())
    seen = reestimation_batches(len(training), n_batches, batch_size, seed)
    example = to_unit_range(torch.from_numpy(scored.images(np.arange(1)))).to(target)
    units = way.units(model, example, together)
    told = (way, tuple(levels), units, [len(batch) for batch in seen], seed, BATCH_SIZE)
    job = Job(
        model=model, training=training, scored=scored, n_batches=n_batches, batch_size=batch_size,
        seed=seed, device=target, progress=progress,
        kept=Unfinished(state_dir, _key(model, training, scored, repr(told))),
    )  # fmt: skip
    steps: Steps | None = None
    whole = None
    try:
        steps = job.trace()
    except UntraceableError as error:
        whole = str(error)
    branches, rows = _laid_out(job, way, levels, units, steps, example, ignore)
    if not branches:
        reasons = dict.fromkeys(f"{row['layer']}: {row['reason']}" for row in rows)
        raise ConfigError(f"no layer can be looked at: {shorten(reasons, 3)}")
    if check is not None:
        check(rows)
    outcome = run_branches(job, steps, whole, branches)
    began = time.perf_counter()
    dense = infer(model, scored, device=target)
    n_seen = sum(map(len, seen))
    a_pass = (time.perf_counter() - began) * (1 + n_seen / len(scored))
    return Asked(dense, branches, outcome, rows, units, n_seen, a_pass)


def _laid_out(
    job: Job,
    way: Way,
    levels: Sequence[float],
    units: Sequence[Unit],
    steps: Steps | None,
    example: Tensor,
    ignore: str | Sequence[str],
) -> tuple[list[Branch], Rows]:
    """Return what is run, and a row for each layer and level: what is left, or why it is not."""
    model = job.model
    used = macs_by_weight(model, example)
    weights = prunable_weights(model)
    kept_in = prunable_weights(model, ignore)
    refilled = refilled_weights(model, example)
    branches: list[Branch] = []
    rows: Rows = []
    for number, unit in enumerate(units):
        job.tell(number, len(units), "weights")
        own = [
            f"{layer}.weight" if f"{layer}.weight" in weights else layer for layer in unit.layers
        ]
        row: dict[str, Any] = {
            "layer": unit.name,
            "weights": sum(weights[name].numel() for name in own),
            "bytes_dense": float(FLOAT_BYTES * sum(weights[name].numel() for name in own)),
            "macs_dense": float(sum(used[name] for name in own)),
        }
        reason = None
        if any(name not in kept_in for name in own):
            reason = IGNORED
        elif any(name in refilled for name in own):
            reason = REFILLED
        elif not _reached(unit, steps, used):
            reason = UNREACHED
        if reason is not None:
            rows.append({**row, "reason": reason})
            continue
        for level in levels:
            try:
                made = way.make(job, unit, level)
            except ConfigError as error:
                rows.append({**row, "level": level, "reason": str(error)})
                continue
            macs = sum(used[name] * n / weights[name].numel() for name, n in made.kept.items())
            rows.append({
                **row, "level": level, "kept": sum(made.kept.values()), "bytes": made.n_bytes,
                "macs": macs,
            })  # fmt: skip
            branches.append(Branch(unit.name, level, made.weights))
    return branches, rows


def _reached(unit: Unit, steps: Steps | None, used: dict[str, int]) -> bool:
    """Tell whether images reach a unit's weights."""
    if steps is None:
        return any(used[name] for name in unit.weights)
    return bool(steps.meetings(unit.weights))


def _key(model: nn.Module, training: Dataset, scored: Dataset, told: str) -> str:
    """Name all that the answers depend on."""
    ids: Iterable[Any] = (
        (data.fingerprint, hashlib.sha256("\n".join(data.samples.ids).encode()).hexdigest())
        for data in (training, scored)
    )
    text = json.dumps([weights_digest(model), list(ids), told, str(torch.__version__)])
    return hashlib.sha256(text.encode()).hexdigest()
