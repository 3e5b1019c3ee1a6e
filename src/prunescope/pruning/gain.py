"""Gain: what compression saves, counted and timed, beside the dense model.

Zeros that are scattered over a tensor save nothing by themselves: a stock runtime multiplies by
them like by any other number, and a file stores them. What they would save, to a runtime that
skips every one of them, is ``macs_effective``; what they save in a compressed file, ``bytes_zlib``.
"""

from __future__ import annotations

import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.errors import ConfigError, MissingExtraError
from prunescope.models import Checkpoint, Quantized
from prunescope.models.quantized import Int8Layer
from prunescope.pruning.export import (
    answer,
    baked,
    export_onnx,
    export_weights,
    require_onnx,
)
from prunescope.pruning.layers import names_of_weights
from prunescope.pruning.macs import count_macs
from prunescope.pruning.masks import Masks
from prunescope.runtimes.sessions import open_session
from prunescope.training.devices import threads as with_threads

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ZLIB_LEVEL = 6
"""zlib's own default."""

WARM_UP = 3
"""Rounds that are run before any is timed."""

ZEROS = "{pattern} zeros: no faster on a stock runtime; smaller only when compressed"
STRUCTURED = "structured: its layers themselves are smaller"
INT8 = "int8: a quarter of the bytes; there is no ONNX file of it to time"


def gains(
    checkpoints: Sequence[Checkpoint],
    names: Sequence[str],
    *,
    batches: Sequence[int] = (1, 32),
    threads: int = 2,
    repeats: int = 30,
    progress: Callable[[int, int], None] | None = None,
) -> pl.DataFrame:
    """Count and time what compression saves.

    Parameters
    ----------
    checkpoints : sequence of Checkpoint
        The dense model first.
    names : sequence of str
        What to call them, each another name.
    batches : sequence of int
        Numbers of images to time the models with; none for no timing.
    threads : int
        That ONNX Runtime, or torch, computes with.
    repeats : int
        Rounds to time. In each, every model answers once, and each round begins with another one,
        so that a busy machine hits all alike.
    progress : callable (done, total), optional
        Told of each round.

    Returns
    -------
    polars.DataFrame
        A row per model, in the order given:

        ========================== ==========================================================
        ``model``, ``method``      its name; how it was compressed
        ``n_prunable_weights``     of all layers that may be pruned, and of those in int8
        ``n_parameters``           with biases and normalisation
        ``n_nonzero_parameters``   those of them that are not 0
        ``macs``                   per image, of the network as it is shaped (`count_macs`)
        ``macs_effective``         per image, with non-zero weights alone
        ``bytes_weights``          of the safetensors file
        ``bytes_zlib``             of that file, compressed by zlib at level 6
        ``bytes_onnx``             of the ONNX file, where the extra ``export`` is installed
        ``ms_batch_N``             milliseconds that ONNX Runtime, or without that extra torch,
                                   takes for N images: median of the rounds, with the quartiles
                                   ``…_low`` and ``…_high``
        ``note``                   what the figures do not say by themselves, or null
        ========================== ==========================================================

        Beside each figure stands ``…_ratio``, its ratio to the dense model's.

    Raises
    ------
    ConfigError
        There is no model, the first is compressed, names are too few or not unique, or a number
        makes no sense.
    ExportError
        As `export_onnx`.
    """
    _check(checkpoints, names, batches, threads, repeats)
    with_onnx = onnx_missing() is None
    figures: list[dict[str, float]] = []
    runners: list[_Runner] = []
    with tempfile.TemporaryDirectory(prefix="prunescope-") as folder:
        onnx = Path(folder, "model.onnx")
        for checkpoint in checkpoints:
            found = _sizes(checkpoint, Path(folder, "model.safetensors"))
            if not isinstance(checkpoint.model, Quantized):
                engine: InferenceSession | nn.Module = baked(checkpoint).eval()
                if with_onnx:
                    compression = checkpoint.provenance.compression
                    export_onnx(baked(checkpoint), onnx, compression=compression)
                    found["bytes_onnx"] = onnx.stat().st_size
                    engine = open_session(onnx.read_bytes(), threads=threads)
                runners.append(_Runner(engine, checkpoint.model.spec.image_size, found))
            figures.append(found)
    with with_threads(threads):
        _time(runners, batches, repeats, progress)
    return pl.DataFrame(
        [
            {
                "model": name,
                "method": str(checkpoint.provenance.compression.get("method", "dense")),
                **_beside_ratios(found, figures[0]),
                "note": _note(checkpoint),
            }
            for name, checkpoint, found in zip(names, checkpoints, figures, strict=True)
        ],
        schema_overrides={"note": pl.String},
    )


def onnx_missing() -> MissingExtraError | None:
    """Return what to install for an ONNX file's size and ONNX Runtime's times; None if nothing."""
    try:
        require_onnx()
    except MissingExtraError as error:
        return error
    return None


class _Runner(NamedTuple):
    """A model, ready to answer, the side of its images, and where its times go."""

    engine: InferenceSession | nn.Module
    side: int
    figures: dict[str, float]


def _check(
    checkpoints: Sequence[Checkpoint],
    names: Sequence[str],
    batches: Sequence[int],
    threads: int,
    repeats: int,
) -> None:
    if not checkpoints or len(names) != len(checkpoints) or len(set(names)) != len(names):
        raise ConfigError(
            f"{len(checkpoints)} models called {', '.join(names) or 'nothing'}: expected at least "
            "one, and a name of its own for each"
        )
    for what, value in (
        ("threads", threads),
        ("repeats", repeats),
        *(("a batch of images", batch) for batch in batches),
    ):
        if value < 1:
            raise ConfigError(f"{what}: got {value}, expected at least 1")
    compression = checkpoints[0].provenance.compression
    quantized = isinstance(checkpoints[0].model, Quantized)
    if compression.get("sparsity", 0) > 0 or _has_zeros(checkpoints[0]) or quantized:
        raise ConfigError(
            f"{names[0]} is compressed ({compression.get('method')}): expected the dense model "
            "first, which the others are compared with"
        )


def _sizes(checkpoint: Checkpoint, path: Path) -> dict[str, float]:
    """Count a model's weights, work and bytes; its weights are written to the path."""
    model = baked(checkpoint).eval()
    export_weights(checkpoint, path)
    side = model.spec.image_size
    macs = count_macs(model, torch.zeros(1, 3, side, side))
    numbers: list[Tensor] = list(model.parameters())
    parameters = dict(model.named_parameters())
    weights: list[Tensor] = [parameters[name] for name in names_of_weights(model)]
    for layer in model.modules():
        if isinstance(layer, Int8Layer):
            numbers += [layer.weight, layer.bias]
            weights.append(layer.weight)
    return {
        "n_prunable_weights": sum(weight.numel() for weight in weights),
        "n_parameters": sum(number.numel() for number in numbers),
        "n_nonzero_parameters": sum(int(number.count_nonzero()) for number in numbers),
        "macs": macs.dense,
        "macs_effective": macs.effective,
        "bytes_weights": path.stat().st_size,
        "bytes_zlib": len(zlib.compress(path.read_bytes(), ZLIB_LEVEL)),
    }


def _time(
    runners: Sequence[_Runner],
    batches: Sequence[int],
    repeats: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Time the models in turns, and put the times beside their other figures."""
    rng = np.random.default_rng(0)
    done, total = 0, len(batches) * (WARM_UP + repeats)
    for batch in batches:
        images = [rng.random((batch, 3, r.side, r.side), dtype=np.float32) for r in runners]
        took = np.empty((WARM_UP + repeats, len(runners)))
        for turn in range(len(took)):
            for step in range(len(runners)):
                i = (turn + step) % len(runners)
                took[turn, i] = _milliseconds(runners[i].engine, images[i])
            done += 1
            if progress is not None:
                progress(done, total)
        low, median, high = np.quantile(took[WARM_UP:], [0.25, 0.5, 0.75], axis=0)
        name = f"ms_batch_{batch}"
        for i, runner in enumerate(runners):
            runner.figures[name] = median[i]
            runner.figures.update({f"{name}_low": low[i], f"{name}_high": high[i]})


@torch.inference_mode()
def _milliseconds(engine: InferenceSession | nn.Module, images: NDArray[np.float32]) -> float:
    start = time.perf_counter()
    if isinstance(engine, nn.Module):
        engine(torch.from_numpy(images))
    else:
        answer(engine, images)
    return 1000 * (time.perf_counter() - start)


def _beside_ratios(figures: dict[str, float], dense: dict[str, float]) -> dict[str, float | None]:
    """Put beside each figure its ratio to the dense model's; quartiles have none."""
    found: dict[str, float | None] = {}
    for name, base in dense.items():
        value = figures.get(name)
        found[name] = value
        if not name.endswith(("_low", "_high")):
            found[f"{name}_ratio"] = None if value is None else value / base
    return found


def _has_zeros(checkpoint: Checkpoint) -> bool:
    return checkpoint.masks is not None and Masks(checkpoint.masks).sparsity > 0


def _note(checkpoint: Checkpoint) -> str | None:
    compression = checkpoint.provenance.compression
    if isinstance(checkpoint.model, Quantized):
        return INT8
    narrow = "structured" in compression.get("method", "").split("+")
    if _has_zeros(checkpoint):
        zeros = ZEROS.format(pattern=compression.get("pattern", "unstructured"))
        return f"{STRUCTURED}; {zeros}" if narrow else zeros
    return STRUCTURED if narrow else None
