"""`prunescope slices` and `prunescope groups`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from prunescope.cli import models, options, output
from prunescope.cli.bundles import Without
from prunescope.cli.console import progress, result, say

if TYPE_CHECKING:
    import polars as pl

    from prunescope.cli.files import Files
    from prunescope.data import Dataset
    from prunescope.predictions import Embeddings
    from prunescope.slices import Slices

EMBEDDINGS = "Embeddings"
EmbeddingsFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Where each image lies to a network: what 'predict --embeddings' writes, or any .csv "
        "or .parquet with id and embedding, or id and columns of numbers.",
        rich_help_panel=EMBEDDINGS,
    ),
]
Metadata = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="More columns about the images: .csv or .parquet with id, and text, numbers or "
        "booleans.",
        rich_help_panel=options.FILES,
    ),
]


def _rules_file(path: Path | None) -> Path | None:
    """Take a file for rules; by its ending no file of predictions is taken for one."""
    from prunescope.errors import ConfigError

    taken = output.file(path)
    if path is not None and path.suffix != ".json":
        raise ConfigError(f"--save-groups {path}: rules are written as JSON: let it end in .json")
    return taken


def slices(
    dense: Annotated[
        list[str],
        typer.Argument(metavar="DENSE...", help="Predictions of dense models: .parquet or .csv."),
    ],
    compressed: Annotated[
        list[str],
        typer.Option("--compressed", metavar="FILE...", help="Predictions of compressed models."),
    ],
    out: options.Out = Path("slices"),
    save_groups: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Write the slices as rules, for 'prunescope groups' to add to other data.",
            callback=_rules_file,
        ),
    ] = None,
    damage: Annotated[
        Literal["harmful_flips", "accuracy", "rare_answers", "uncertainty"],
        typer.Option(
            help="What answers lose: right ones become wrong; being right, net of those won; the "
            "same of answers to rare values; being sure."
        ),
    ] = "harmful_flips",
    beyond: Annotated[
        Literal["margin", "churn", "nothing"] | None,
        typer.Option(
            help="What damage is told beyond: that to answers elsewhere of which the dense model "
            "is as sure; that, and what another training of it loses; or that to all elsewhere.",
            show_default="churn with two dense models, else margin",
        ),
    ] = None,
    embeddings: EmbeddingsFile = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL|FILE:KEY=VALUE,...",
            help="The dense model, which makes the embeddings: its folder, or hf:NAME_OR_FOLDER or "
            "module:factory with --data. Or what a file does not tell, as for 'audit'.",
            rich_help_panel=EMBEDDINGS,
        ),
    ] = None,
    factory: Annotated[
        str | None,
        typer.Option(
            help="module:factory that made the model in the folder.", rich_help_panel=EMBEDDINGS
        ),
    ] = None,
    device: options.Device = None,
    metadata: Metadata = None,
    cluster: options.Clustered = None,
    min_support: Annotated[
        int,
        typer.Option(
            help="Independent units (images, or clusters) of a slice in each half, at least.",
            min=2,
            rich_help_panel=options.STATISTICS,
        ),
    ] = 20,
    most: Annotated[
        int,
        typer.Option(
            help="Slices to test, of each model.", min=1, rich_help_panel=options.STATISTICS
        ),
    ] = 10,
    confidence: options.Confidence = 0.95,
    seed: Annotated[
        int,
        typer.Option(help="By which images are halved.", min=0, rich_help_panel=options.STATISTICS),
    ] = 0,
    title: options.Title = None,
    *,
    data: Annotated[options.Data, Without("size", "attributes", "groups", "cluster")],
    answers: Annotated[options.Answers, Without("about")],
    as_json: options.Json = False,
) -> None:
    """Find sub-populations that compression hurts, where nobody labelled the groups.

    One half of the images is searched, the other half judges. Writes slices.parquet,
    members.parquet, slices.json and slices.html to the folder --out.
    """
    from prunescope.errors import ConfigError
    from prunescope.report import write_slices
    from prunescope.slices import find_slices

    about, checkpoint = models.parted(model or ())
    if checkpoint is not None and embeddings is not None:
        raise ConfigError("--model makes embeddings and --embeddings has them: give one of both")
    if checkpoint is None and (factory is not None or device is not None):
        raise ConfigError("--factory and --device are for a model that makes embeddings: --model")
    of_data = data.images is not None or data.on_bad_image is not None
    if checkpoint is None and data.source is None and of_data:
        raise ConfigError("--images and --on-bad-image are about a data set: name it by --data")
    files = answers.of([*dense, *compressed], about)
    loaded = files.load([*dense, *compressed])
    seen, dataset = _seen(embeddings, checkpoint, factory, device, data, loaded[0].metadata.split)
    with progress("slices") as update:
        found = find_slices(
            loaded[: len(dense)], loaded[len(dense) :], seen, _table(metadata, files),
            damage=damage, beyond=beyond, cluster=cluster, min_support=min_support, most=most,
            confidence=confidence, seed=seed, progress=update,
        )  # fmt: skip
    output.outdated(out, "slices.html")
    found.save(out)
    if save_groups is not None:
        found.rules.save(save_groups)
        if not found.found.height:
            say(f"note: no slice was confirmed: {save_groups} holds none")
    page = write_slices(found, out, title=title, dataset=dataset)
    for text in found.info.notes:
        say(f"note: {text}")
    told = {
        "tested": found.table.height, "found": found.found.to_dicts(), "folder": str(out),
        "report": str(page), "groups": None if save_groups is None else str(save_groups),
    }  # fmt: skip
    result(as_json, told, lambda: _show(found, page))


def _show(found: Slices, page: Path) -> None:
    from prunescope.cli.tables import print_slices

    print_slices(found)
    typer.echo(f"\nreport: {page}")


def _seen(
    embeddings: Path | None,
    checkpoint: str | None,
    factory: str | None,
    device: str | None,
    data: options.Data,
    split: str,
) -> tuple[Embeddings | None, Dataset | None]:
    """Read the embeddings, or let the model make them; load the images, where they are named."""
    from prunescope.predictions import Embeddings, embed

    if checkpoint is None:
        dataset = None if data.source is None else options.load(data.config())
        return None if embeddings is None else Embeddings.load(embeddings), dataset
    opened, _, dataset = models.open_model(checkpoint, factory, data)
    with progress("embeddings") as update:
        seen = embed(opened.model, dataset.split(split), device=device, progress=update)
    return seen, dataset


def _table(path: Path | None, files: Files) -> pl.DataFrame | None:
    """Read a table of metadata."""
    from prunescope.predictions.reading import read_table

    if path is None:
        return None
    columns = {new: old for new, old in files.columns.items() if new == "id"}
    return read_table(path, columns, ("id",), what="metadata")[0]


def groups(
    rules: Annotated[
        Path, typer.Argument(metavar="RULES", help="The file of rules that 'slices' saved.")
    ],
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="DENSE FILE...",
            help="Predictions on the other data: those of the dense model first.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder to write to.", callback=output.pages)
    ] = Path("grouped"),
    embeddings: EmbeddingsFile = None,
    metadata: Metadata = None,
    *,
    answers: Annotated[options.Answers, Without("thresholds")],
    as_json: options.Json = False,
) -> None:
    """Add slices that were found elsewhere to prediction files, as groups.

    Writes a file for each, under its model's name: 'audit', 'gate', 'mitigate route' and 'view'
    then know the slices as they know any group.
    """
    from prunescope.errors import ConfigError
    from prunescope.predictions import Embeddings
    from prunescope.slices import SliceRules, add_groups
    from prunescope.verdict.judgement import shown

    read = answers.of(files)
    told = SliceRules.load(rules)
    seen = None if embeddings is None else Embeddings.load(embeddings)
    made = add_groups(told, read.load(files), seen, _table(metadata, read))
    names = [model.name for model in made]
    if len(set(names)) < len(names):
        raise ConfigError(
            f"two models are called {max(names, key=names.count)!r}: name them by --model"
        )
    if odd := [name for name in names if Path(name).name != name]:
        raise ConfigError(f"{odd[0]!r} is no name for a file: give the model another by --model")
    written = [out / f"{name}.parquet" for name in names]
    for model, path in zip(made, written, strict=True):
        model.save(path)
    sizes = {name: int((made[0].samples.groups[name].codes == 1).sum()) for name in told.rules}
    if not told.rules:
        say(f"note: {rules} holds no slice: the files are written as they are")
    elif names[0] != told.dense and any(one.kind in ("answer", "sure") for one in told.features):
        say(f"note: the slices ask what {told.dense} answered; {names[0]} is taken for it")

    def show() -> None:
        for name, n in sizes.items():
            typer.echo(f"{shown(name, len(name))}: {n:,} of {len(made[0].samples):,} images")
        typer.echo(f"written: {', '.join(map(str, written))}")

    result(as_json, {"files": [str(path) for path in written], "members": sizes}, show)
