"""`prunescope policy power`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prunescope.cli import options
from prunescope.cli.console import progress, result

if TYPE_CHECKING:
    from prunescope.audit import Audit
    from prunescope.predictions import Predictions
    from prunescope.verdict.power import Power

MOST_FIGURES = 12
"""Figures that are listed, those that need most images first; --json has them all."""

SAID_BY_AN_AUDIT = {
    "--second": "second", "--groups": "groups", "--cluster": "cluster",
    "--confidence": "confidence", "--min-support": "min_support", "--scores": "scores",
    "--map": "mapping", "--model": "about", "--models": "about_file",
    "--thresholds": "thresholds", "--train-labels": "train_labels",
}  # fmt: skip
"""Options that are of a dense file alone, and what they are called here."""

BAR = 20
"""Letters of a bar that means 100%."""


def power(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="DENSE|AUDIT",
            help="Predictions of the dense model, with labels; or a folder that 'prunescope audit' "
            "wrote, whose dense model is read again.",
        ),
    ],
    flips: Annotated[
        float | None,
        typer.Option(
            help="Share of the answers that will differ, in (0, 0.5).",
            show_default="the churn of two dense seeds, or what differs in the audit",
        ),
    ] = None,
    second: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The dense model of another seed, for the churn."),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="The criteria.", show_default="the shipped ones")
    ] = None,
    images: Annotated[
        str | None,
        typer.Option(
            help="Numbers of images to foretell for, by commas.", show_default="100,200,…"
        ),
    ] = None,
    groups: options.Identity = None,
    cluster: Annotated[
        str | None, typer.Option(help="Column of samples that depend on each other.")
    ] = None,
    confidence: options.Confidence = 0.95,
    min_support: options.MinSupport = 10,
    train_labels: options.TrainLabels = None,
    seed: options.Seed = 0,
    *,
    answers: options.Answers,
    as_json: options.Json = False,
) -> None:
    """Tell how many images a policy needs to be able to say "ship", before compressing.

    It is foretold for a model that compression did not harm, from the dense model alone.
    """
    from prunescope.audit import Audit
    from prunescope.errors import ConfigError
    from prunescope.predictions import align, train_rates_from
    from prunescope.verdict import Policy, shipped
    from prunescope.verdict.noise import differing
    from prunescope.verdict.power import PAIRS, SIZES, foretell

    settings: dict[str, Any] = {
        "identity": options.names(groups),
        "cluster": cluster,
        "confidence": confidence,
        "min_support": min_support,
    }
    if flips is not None and second is not None:
        raise ConfigError("--flips says how many answers differ, and so does --second: give one")
    if (Path(source) / "audit.json").is_file():
        twice = [option for option, name in SAID_BY_AN_AUDIT.items() if _is_given(ctx, name)]
        if twice:
            raise ConfigError(f"{', '.join(twice)}: an audit says that itself; give a dense file")
        found = Audit.load(source)
        models, settings = _audited(found, Path(source))
        if flips is None and len(models) == 1:
            flips = _flips(found)
    else:
        sources = [source, *([second] if second else [])]
        files = answers.of(sources)
        models = files.load(sources)
        if train_labels is not None:
            settings["train_rates"] = train_rates_from(train_labels, files.columns, ())
    if flips is None:
        if len(models) < 2:
            raise ConfigError(
                "how many answers will differ is not known: say --flips 0.04, or give the dense "
                "model of another seed with --second"
            )
        one, other = align(models[:2])[0]
        flips = differing(one, other)
    sizes = SIZES if images is None else [round(size) for size in options.numbers(images)]
    with progress("power") as update:
        told = foretell(
            models[0],
            flips,
            shipped() if policy is None else Policy.load(policy),
            sizes=sizes,
            seed=seed,
            pairs=PAIRS,
            progress=lambda done: update(done, PAIRS),
            **settings,
        )
    data = {
        "flips": told.flips,
        "n": told.n,
        "needed": told.needed,
        "curve": told.curve.to_dicts(),
        "figures": told.rows.to_dicts(),
    }
    result(as_json, data, lambda: _show(told))


def _is_given(ctx: typer.Context, name: str) -> bool:
    """Tell whether an option was said, be it as its default says."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _audited(found: Audit, folder: Path) -> tuple[list[Predictions], dict[str, Any]]:
    """Read the dense models of an audit again, and how it was made."""
    from prunescope.cli.files import Files
    from prunescope.errors import ConfigError

    sources, info = found.info.sources, found.info
    names = [model.name for model in info.models if model.baseline is None]
    if not all(name in sources.files for name in names):
        raise ConfigError(
            f"{folder}: the audit was made of arrays, and their answers are in no file: write the "
            "dense model's, dense.save('dense.parquet') in Python, and give that file"
        )
    thresholds = None if sources.thresholds is None else folder / sources.thresholds
    paths = {name: str(folder / sources.files[name]) for name in names}
    told = {paths[name]: of for name, of in sources.told.items() if name in paths}
    files = Files(sources.scores, sources.columns, thresholds, told)
    models = files.load(list(paths.values()))
    kept = ("cluster", "confidence", "min_support", "n_bins", "band", "intersect", "trigger")
    settings = {name: getattr(info.settings, name) for name in kept}
    return models, {**settings, "identity": info.settings.groups}


def _flips(found: Audit) -> float | None:
    """Return the most answers that differ between the dense model of an audit and another one."""
    import polars as pl

    rows = found.table.filter(
        pl.col("metric").is_in(["flip_rate", "top1_flip_rate"]),
        pl.col("attribute").is_null(),
        pl.col("group").is_null(),
    )
    most = rows["value"].max()
    return None if most is None else float(most)  # type: ignore[arg-type]


def _show(found: Power) -> None:
    """Print the number of images that is needed, the curve, and what needs most."""
    import polars as pl
    from rich.table import Table

    from prunescope.cli.terminal import Terminal
    from prunescope.verdict.glossary import size
    from prunescope.verdict.judgement import shown
    from prunescope.verdict.numbers import about

    console = Terminal()
    untold = found.rows.filter("decides", ~pl.col("foretold"))
    enough = "No number of images is enough"
    if found.needed is None and untold.height:
        enough = f"{found.n:,} images are too few to foretell how many are enough"
    if found.needed is not None:
        enough = f"{about(found.needed).capitalize()} images are enough"
    console.print(
        f"{enough} to say 'Ship' or 'Ship with care' (with probability 0.8) of a model that is not "
        f"worse, though {found.flips:.1%} of its answers differ.",
        markup=False,
    )
    curve = Table("images", "ship or care", "", "ship", "")
    for n, either, ship in found.curve.select("n", "ship_or_care", "ship").rows():
        bars = ["█" * round(BAR * one) for one in (either, ship)]
        curve.add_row(f"{n:,}", f"{either:.0%}", bars[0], f"{ship:.0%}", bars[1])
    console.print(curve)
    told = Table("what needs most images", "of", "limit", "images")
    ordered = found.rows.sort(pl.col("decides"), pl.col("needed"), descending=True, nulls_last=True)
    for row in ordered.head(MOST_FIGURES).iter_rows(named=True):
        value = row["group_value"]
        group = row["group"] and f"{row['group']}={value}" if value else row["group"]
        place = " by ".join(filter(None, [row["attribute"], group])) or "over all"
        needed = "no number" if row["foretold"] else "cannot be foretold"
        needed = needed if row["needed"] is None else about(row["needed"])
        told.add_row(
            shown(row["criterion"]) + ("" if row["decides"] else " (named, if open)"),
            shown(place), "" if row["limit"] is None else size(row["metric"], row["limit"]), needed,
        )  # fmt: skip
    console.print(told)
    n_untold = found.rows.filter(~pl.col("foretold")).height
    if n_untold:
        console.print(
            f"{n_untold:,} of {found.rows.height:,} figures rest on too few of these "
            f"{found.n:,} images to be foretold: 'Ship' is not to be had without more of theirs."
        )
