"""`prunescope predict`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from prunescope.cli import options
from prunescope.cli import output as places
from prunescope.cli.console import progress, result, say
from prunescope.cli.models import Factory, from_elsewhere, open_model

if TYPE_CHECKING:
    from torch import nn

    from prunescope.data import DataConfig
    from prunescope.predictions import Predictions
    from prunescope.runtimes import FileModel, Function

FILE = "A model's file"


@dataclass(frozen=True)
class Intake:
    """What a model's file does not tell of its input and output."""

    input_layout: Annotated[
        Literal["NCHW", "NHWC"] | None,
        typer.Option(
            help="Where the channels of its input stand.",
            show_default="as the file tells",
            rich_help_panel=FILE,
        ),
    ] = None
    input_range: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH",
            help="What black and white are in its input: 0,1 or -1,1 or 0,255.",
            show_default="as the file tells",
            rich_help_panel=FILE,
        ),
    ] = None
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="R,G,B",
            help="In place of the range, with --std: its input is (image − mean) / std, for images "
            "in [0, 1].",
            rich_help_panel=FILE,
        ),
    ] = None
    std: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="See --mean.", rich_help_panel=FILE)
    ] = None
    channels: Annotated[
        Literal["rgb", "bgr"] | None,
        typer.Option(help="Their order in its input.", show_default="rgb", rich_help_panel=FILE),
    ] = None
    output: Annotated[
        str | None,
        typer.Option(
            help="Which of its outputs has the scores.",
            show_default="the only one",
            rich_help_panel=FILE,
        ),
    ] = None

    def given(self) -> list[str]:
        """Name the options that were given."""
        told = asdict(self).items()
        return [f"--{name.replace('_', '-')}" for name, value in told if value is not None]

    def open(self, path: str) -> FileModel:
        """Open a model's file."""
        from prunescope.runtimes import open_model as open_file

        return open_file(
            path,
            output=self.output,
            layout=self.input_layout,
            input_range=_floats("--input-range", self.input_range, 2),
            mean=_floats("--mean", self.mean, 3),
            std=_floats("--std", self.std, 3),
            channels=self.channels or "rgb",
        )


def _floats(option: str, text: str | None, n: int) -> list[float] | None:
    from prunescope.errors import ConfigError

    found = None if text is None else options.numbers(text)
    if found is not None and len(found) != n:
        raise ConfigError(f"{option} {text}: expected {n} numbers by commas")
    return found


def predict(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Folder of a model; or, with --data: a file that ends in .onnx, .tflite or .xml "
            "(OpenVINO); module:function, which gets images and returns logits; hf:NAME_OR_FOLDER "
            "or module:factory.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="File to write.", show_default="MODEL.parquet"),
    ] = None,
    split: Annotated[str, typer.Option(help="Split to ask about.")] = "test",
    name: Annotated[
        str | None, typer.Option(help="The model's name.", show_default="the file's")
    ] = None,
    thresholds: Annotated[
        Path | None,
        typer.Option(
            help="What 'mitigate thresholds' wrote, or thresholds per attribute: logits are "
            "calibrated and written less their threshold, so that 0 decides."
        ),
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            help="File (.parquet) for what its last layer sees of each image, in the same pass: a "
            "column id, and a column embedding of lists of numbers.",
        ),
    ] = None,
    dense: Annotated[
        str | None,
        typer.Option(
            help="What a model from elsewhere was made narrower from (a folder, hf:… or "
            "module:factory): tells what is left of weights and channels."
        ),
    ] = None,
    device: options.Device = None,
    factory: Factory = None,
    scores: Annotated[
        Literal["logits", "probability"] | None,
        typer.Option(
            help="What its outputs are, or those of module:function.",
            show_default="logits",
            rich_help_panel=FILE,
        ),
    ] = None,
    *,
    intake: Intake,
    data: options.Data,
    as_json: options.Json = False,
) -> None:
    """Ask a model about every image of a split and write its answers as one Parquet file.

    What a model's file does not tell of its input is asked for, never guessed.
    """
    from prunescope.errors import ConfigError
    from prunescope.predictions import check_suffix, read_adjustments
    from prunescope.runtimes import is_model_file

    is_file = is_model_file(model)
    called = None if is_file else _callable(model)
    surplus = [] if is_file else intake.given()
    if scores is not None and not is_file and called is None:
        surplus.append("--scores")
    if surplus:
        raise ConfigError(
            f"{', '.join(surplus)}: only for a model's file (.onnx, .tflite, .xml) or, --scores, "
            f"module:function; {model} is none"
        )
    if is_file and (device not in (None, "cpu") or factory is not None):
        raise ConfigError(f"{model} runs on the CPU and needs no factory: leave out the option")
    if dense is not None and (is_file or called is not None):
        raise ConfigError(
            f"--dense is for models from elsewhere that torch holds (hf:… or module:factory): "
            f"{model} is none"
        )
    if out is None and (called is not None or (from_elsewhere(model) and not is_file)):
        raise ConfigError(f"{model} is no folder beside which to write: name a file with -o")
    place = Path(model).resolve()
    target = out or place.with_name(f"{place.name}.parquet")
    places.file(target)
    check_suffix(target)
    if embeddings is not None:
        _check_embeddings(model, called, is_file, embeddings, target)
    choice = {
        "split": split, "name": name, "embeddings": embeddings,
        "adjustments": None if thresholds is None else read_adjustments(thresholds),
    }  # fmt: skip
    if not is_file and called is None:
        found = _ask_checkpoint(model, dense, factory, data, target, device, choice)
    else:
        asked = called if called is not None else intake.open(model)
        found = _ask_elsewhere(model, asked, data, target, device, scores, choice)
    told_back = {"file": str(target), "name": found.name, "n": len(found.samples), "split": split}
    seen = "" if embeddings is None else f", what it sees in {embeddings}"
    told_back["embeddings"] = None if embeddings is None else str(embeddings)
    result(as_json, told_back, f"{found!r} in {target}{seen}")


def _check_embeddings(
    model: str, called: Function | nn.Module | None, is_file: bool, path: Path, target: Path
) -> None:
    """Raise where a model has no layers to look into, or the file cannot be written; take it."""
    from prunescope.errors import ConfigError
    from prunescope.predictions import check_parquet, no_features, with_layers

    if is_file:
        raise no_features(model)
    if called is not None:
        with_layers(called)
    if check_parquet(path).resolve() == target.resolve():
        raise ConfigError(f"--embeddings {path}: the answers go there: name another file")
    places.file(path)


def _ask_checkpoint(
    model: str,
    dense: str | None,
    factory: str | None,
    data: options.Data,
    target: Path,
    device: str | None,
    choice: Mapping[str, Any],
) -> Predictions:
    from prunescope.study import predict_split

    checkpoint, _, dataset = open_model(model, factory, data, dense=dense)
    with progress("predict") as update:
        return predict_split(
            checkpoint, dataset, out=target, device=device, progress=update, **choice
        )


def _ask_elsewhere(
    model: str,
    asked: FileModel | Function | nn.Module,
    data: options.Data,
    target: Path,
    device: str | None,
    scores: Literal["logits", "probability"] | None,
    choice: Mapping[str, Any],
) -> Predictions:
    """Ask a file or a function, about data whose size and attributes it tells, or a person."""
    from prunescope.errors import ConfigError
    from prunescope.runtimes import FileModel
    from prunescope.study import predict_elsewhere

    if data.source is None:
        raise ConfigError(f"{model} says nothing of its data: name them with --data")
    known: dict[str, Any] = {}
    about = {"function": model}
    if isinstance(asked, FileModel):
        about = asked.about
        if asked.intake.side is not None:
            known["size"] = asked.intake.side
        if asked.frame is not None:
            known |= {"size": asked.frame.side, "frame": asked.frame}
        if asked.attributes is not None and asked.task == "multilabel":
            known["attributes"] = asked.attributes
    config = data.config(known=known)
    if "size" not in config.model_fields_set:
        raise ConfigError(f"{model} does not tell how large its images are: say it with --size")
    dataset = options.load(config)
    if not (isinstance(asked, FileModel) and asked.attributes):
        _note_order(config, dataset.samples.attributes)
    with progress("predict") as update:
        return predict_elsewhere(
            asked, dataset, out=target, about=about, scores=scores or "logits",
            device=device, progress=update, **choice,
        )  # fmt: skip


def _callable(model: str) -> Function | nn.Module | None:
    """Return what module:name names, unless it makes models, or nothing is named so."""
    from prunescope.runtimes import Function, imported, makes_models

    if not from_elsewhere(model) or model.startswith("hf:"):
        return None
    found = imported(model, "function or module:factory")
    if "torch" in sys.modules:
        from torch import nn

        if isinstance(found, nn.Module):
            return found
    return None if makes_models(found) else Function(model, found)


def _note_order(config: DataConfig, names: tuple[str, ...]) -> None:
    """Say in which order outputs are taken, where neither the file nor a person told it."""
    from prunescope.errors import shorten

    if "attributes" not in config.model_fields_set:
        say(
            f"note: the outputs are taken for {shorten(names)}, in the order of the data; if the "
            "model has another, name them with --attributes"
        )
