"""Export: a model as one file that other tools read.

=================== ===========================================================================
``.onnx``           the whole classifier, preprocessing included: images in, logits out
``.safetensors``    its weights alone, under the names that its network gives them
=================== ===========================================================================

Masks do not survive: their zeros are baked in. What the outputs stand for does: either file holds,
under the key ``prunescope`` of its metadata, JSON with ``attributes``, ``task``, ``image_size``,
``frame`` (how images of files are cut and resized; null for the centred square) and
``compression``.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from prunescope.errors import ConfigError, ExportError, MissingExtraError, first_line, shorten
from prunescope.files import replacing
from prunescope.models import Checkpoint, Classifier, check_float, fold
from prunescope.pruning.masks import Masks, strip
from prunescope.runtimes.note import OURS
from prunescope.runtimes.sessions import open_session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

INPUT = "images"
OUTPUT = "logits"
"""Names of what goes in and comes out."""

TOLERANCE = 1e-4
"""How far a logit of the file may lie from the model's."""

CHECKED_BATCHES = (1, 3)


def export_checkpoint(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a model in the format that the suffix of `path` names.

    Raises
    ------
    ConfigError
        No format has that suffix.
    ExportError, MissingExtraError, DataError
        As `export_onnx` and `export_weights`.
    """
    path = Path(path)
    if path.suffix not in FORMATS:
        raise ConfigError(
            f"{path}: expected a name that ends in {' or '.join(FORMATS)}, which tells the format"
        )
    FORMATS[path.suffix](checkpoint, path)


def baked(checkpoint: Checkpoint) -> Classifier:
    """Return a copy of a checkpoint's model, its weights plain and its masks' zeros baked in."""
    if checkpoint.masks is None:
        return cast(Classifier, fold(checkpoint.model))
    return cast(Classifier, strip(checkpoint.model, Masks(checkpoint.masks)))


def export_weights(checkpoint: Checkpoint, path: str | Path) -> None:
    """Write a model's weights and buffers as one safetensors file.

    Zeros take as much room as any other number; only a file that is compressed shrinks with them.

    Parameters
    ----------
    checkpoint : Checkpoint
    path : path
        Replaced once it is complete; folders above it are made.

    Raises
    ------
    DataError
        The file cannot be written.
    CheckpointError
        The masks belong to another architecture.
    """
    model = baked(checkpoint)
    tensors = {
        name: tensor.detach().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.network.state_dict().items()
    }
    about = _describe(model, checkpoint.provenance.compression)
    with replacing(Path(path)) as beside:
        save_file(tensors, beside, {"format": "pt", OURS: about})


def export_onnx(
    model: Classifier, path: str | Path, *, compression: Mapping[str, Any] | None = None
) -> None:
    """Write a model as one ONNX file that answers as the model does.

    Its input ``images`` (N, 3, S, S) are floats in [0, 1], its output ``logits`` is (N, A), for
    any N. Before the file appears, ONNX Runtime answers 1 and 3 random images with it; no logit
    may differ from the model's by more than 1e-4.

    Parameters
    ----------
    model : Classifier
        It stays as it is; what is written is its evaluation mode.
    path : path
        Replaced once it is complete and checked; folders above it are made.
    compression : mapping, optional
        How the model was compressed, for the metadata; null there if it is not told.

    Raises
    ------
    ExportError
        The network does something that ONNX cannot express, or the answers differ.
    MissingExtraError
        The extra ``export`` is not installed.
    ConfigError
        The model is in int8.
    DataError
        The file cannot be written.
    """
    require_onnx()
    check_float(model, "to export")
    model = cast(Classifier, fold(model)).cpu().eval()
    content = _to_onnx(model, _describe(model, compression))
    _check_answers(model, content)
    with replacing(Path(path)) as beside:
        beside.write_bytes(content)


def _export_checkpoint_onnx(checkpoint: Checkpoint, path: Path) -> None:
    export_onnx(baked(checkpoint), path, compression=checkpoint.provenance.compression)


FORMATS: dict[str, Callable[[Checkpoint, Path], None]] = {
    ".onnx": _export_checkpoint_onnx,
    ".safetensors": export_weights,
}


def require_onnx() -> None:
    """Say what to install where ONNX or its runtime is missing.

    Raises
    ------
    MissingExtraError
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("writing and running ONNX files", "export") from error


def answer(session: InferenceSession, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logits (N, A) that an exported model gives images (N, 3, S, S)."""
    [logits] = session.run([OUTPUT], {INPUT: images})
    return cast(NDArray[np.float32], logits)


def _describe(model: Classifier, compression: Mapping[str, Any] | None) -> str:
    spec = model.spec
    about = {
        "attributes": spec.attributes,
        "task": spec.task,
        "image_size": spec.image_size,
        "frame": None if spec.frame is None else spec.frame.model_dump(),
        "compression": None if compression is None else dict(compression),
    }
    return json.dumps(about, ensure_ascii=False)


def _to_onnx(model: Classifier, about: str) -> bytes:
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    side = model.spec.image_size
    try:
        with _quiet():
            program = torch.onnx.export(
                model,
                (torch.zeros(2, 3, side, side),),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={INPUT: {0: torch.export.Dim("batch", min=1)}},
                verbose=False,
            )
            assert program is not None
            # torch notes where each node comes from, with the folders of this machine.
            ClearMetadataAndDocStringPass()(program.model)
            program.model.metadata_props[OURS] = about
            content: bytes = program.model_proto.SerializeToString()
            return content
    except Exception as error:  # torch lets through whatever the network's own code raises
        raise ExportError(
            f"{model.spec.arch} cannot be written as ONNX: {_reason(error)}; change what its "
            "forward does there, or export the weights alone as .safetensors"
        ) from error


@torch.inference_mode()
def _check_answers(model: Classifier, content: bytes) -> None:
    """Compare what ONNX Runtime answers with what the model does, on random images."""
    side = model.spec.image_size
    rng = np.random.default_rng(0)
    for n in CHECKED_BATCHES:
        images = rng.random((n, 3, side, side), dtype=np.float32)
        try:
            expected = model(torch.from_numpy(images)).numpy()
            found = answer(open_session(content, threads=1), images)
        except Exception as error:  # the network's own, or ONNX Runtime's, which have no root
            raise ExportError(
                f"{model.spec.arch} or its ONNX form fails on a batch of {n}: {_reason(error)}; "
                "its forward has to take any number of images"
            ) from error
        _compare(model, expected, found)


def _compare(model: Classifier, expected: NDArray[np.float32], found: NDArray[np.float32]) -> None:
    what = f"{model.spec.arch} as ONNX gives other logits than the model for a batch of"
    if found.shape != expected.shape:
        raise ExportError(
            f"{what} {len(expected)}: their shape is {found.shape}, expected {expected.shape}; its "
            "forward has to take any number of images"
        )
    gaps = np.abs(expected - found).max(axis=0)
    # Not `gap > TOLERANCE`: NaN differs too.
    wrong = [
        f"{name} by {gap:.3g}"
        for name, gap in zip(model.spec.attributes, gaps, strict=True)
        if not gap <= TOLERANCE
    ]
    if wrong:
        raise ExportError(
            f"{what} {len(expected)}: {shorten(wrong, 4)} (at most {TOLERANCE:g} is allowed); does "
            "its forward draw random numbers, or are its weights or logits not finite or huge?"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what torch and its libraries log and warn about off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _reason(error: BaseException) -> str:
    """Return the first line of the error that began it all."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error, kind=True)
