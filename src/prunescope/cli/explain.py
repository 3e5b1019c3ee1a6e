"""`prunescope explain`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from prunescope.cli import options
from prunescope.cli.bundles import Without
from prunescope.cli.console import progress, result, say
from prunescope.cli.models import Factory, from_elsewhere, open_model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from prunescope.explain import Found
    from prunescope.models import Classifier

MOST_IMAGES = 50
"""A page of more nobody reads."""


def explain(
    images_or_ids: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE...",
            help="Ids of the data set; or, without --data, files of images.",
        ),
    ],
    dense: Annotated[str, typer.Option(metavar="MODEL", help="The dense model, as of 'predict'.")],
    compressed: Annotated[
        list[str], typer.Option(metavar="MODEL", help="The compressed model, as of 'predict'.")
    ],
    out: options.Out = Path("explained"),
    attribute: Annotated[
        list[str] | None,
        typer.Option(
            help="Attribute or class to explain. Repeat for several.",
            show_default="of each image those that flipped, at most 3",
        ),
    ] = None,
    method: Annotated[
        Literal["gradcam", "gradients"] | None,
        typer.Option(
            help="Grad-CAM, for convolutional networks, or integrated gradients, for any.",
            show_default="gradcam where both have a map of 4 × 4 places or more",
        ),
    ] = None,
    seed: options.Seed = 0,
    factory: Factory = None,
    *,
    data: Annotated[options.Data, Without("groups", "cluster", "on_bad_image")],
    as_json: options.Json = False,
) -> None:
    """Show where two models look in an image, and what compression moved.

    The page explains the answers that flipped, and checks that its maps depend on what the
    networks learned (docs/explain.md).
    """
    from prunescope.errors import ConfigError, shorten
    from prunescope.explain import find, method_for, write_explanations

    wanted = list(dict.fromkeys(images_or_ids))
    if len(compressed) > 1:
        raise ConfigError(
            f"--compressed takes one model here: got {shorten(compressed)}; name images first, "
            "before the options"
        )
    if len(wanted) > MOST_IMAGES:
        raise ConfigError(f"{len(wanted)} images: at most {MOST_IMAGES} are explained at once")
    of_files = data.source is None and all(Path(one).is_file() for one in wanted)
    if of_files:
        models, pixels = _from_files(wanted, dense, compressed[0], factory)
    else:
        models, pixels = _from_data(wanted, dense, compressed[0], factory, data)
    names = _names(dense, compressed[0])
    with progress("explain") as update:
        found = find(
            *models, pixels, wanted, attribute or (),
            names=names, method=method or method_for(*models), seed=seed, progress=update,
        )  # fmt: skip
    page = write_explanations(found, out)
    for note in found.info.notes:
        say(f"note: {note}")
    result(as_json, {"file": str(page), **found.info.model_dump()}, lambda: _show(found, page))


def _from_data(
    ids: Sequence[str],
    dense: str,
    compressed: str,
    factory: str | None,
    data: options.Data,
) -> tuple[tuple[Classifier, Classifier], NDArray[np.uint8]]:
    """Load both models and the images of a data set."""
    import polars as pl

    from prunescope.errors import DataError, shorten
    from prunescope.models import load_checkpoint
    from prunescope.predictions.ids import ABSENT, places_of
    from prunescope.study import adopt_model

    checkpoint, config, dataset = open_model(dense, factory, data)
    places = places_of(pl.Series("id", ids, dtype=pl.String), dataset.samples.ids)
    if lacking := [key for key, place in zip(ids, places, strict=True) if place == ABSENT]:
        raise DataError(
            f"unknown id {shorten(map(repr, lacking), 3)}: {dataset.name} has "
            f"{shorten(dataset.samples.ids, 3)}; give ids of the data set, or files of images "
            "without --data"
        )
    if from_elsewhere(compressed):
        other = adopt_model(compressed, dataset, dense=checkpoint.model, data=config)
    else:
        other = load_checkpoint(compressed, factory=factory)
    return (checkpoint.model, other.model), dataset.images(places)


def _from_files(
    files: Sequence[str], dense: str, compressed: str, factory: str | None
) -> tuple[tuple[Classifier, Classifier], NDArray[np.uint8]]:
    """Load both models, and images from files as the dense model's data are made of theirs."""
    import numpy as np

    from prunescope.data.decode import decode
    from prunescope.errors import ConfigError, ImageError
    from prunescope.models import load_checkpoint

    for model in (dense, compressed):
        if from_elsewhere(model):
            raise ConfigError(f"{model} says nothing of its data: name them with --data")
    models = [load_checkpoint(folder, factory=factory).model for folder in (dense, compressed)]
    spec = models[0].spec
    pixels = []
    for file in files:
        try:
            pixels.append(decode(Path(file), spec.image_size, spec.frame))
        except ImageError as error:
            raise ImageError(f"{file} {error}") from error
    return (models[0], models[1]), np.stack(pixels)


def _names(dense: str, compressed: str) -> tuple[str, str]:
    """Name two models by their folders, where those differ."""
    short = [
        one if from_elsewhere(one) else Path(one).resolve().name for one in (dense, compressed)
    ]
    return (short[0], short[1]) if short[0] != short[1] else (dense, compressed)


def _show(found: Found, page: Path) -> None:
    for case in found.info.cases:
        typer.echo(f"{case.id}")
        for sentence in case.told:
            typer.echo(f"  {sentence}")
        for warning in case.warnings:
            typer.echo(f"  Warning: {warning}")
    typer.echo(f"\n{page}")
