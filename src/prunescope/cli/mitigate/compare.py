"""`prunescope mitigate compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli import options
from prunescope.cli.console import progress, result, say


def compare(
    validation: Annotated[
        list[str],
        typer.Option(
            "--validation",
            metavar="PRUNED DENSE",
            help="Predictions of the pruned and of the dense model, to fit measures to.",
        ),
    ],
    test: Annotated[
        list[str],
        typer.Option(
            "--test", metavar="PRUNED DENSE", help="Those on other samples, to judge measures by."
        ),
    ],
    measures: Annotated[
        str | None,
        typer.Option(
            help="By commas: prevalence, dense-rate, dense-tpr, f1, balanced-accuracy, "
            "temperature, isotonic, route-dense, route-images, route-person; with --group also "
            "group-prevalence, group-equal-tpr.",
            show_default="all that can be taken",
        ),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also",
            metavar="FILE...",
            help="Test predictions of other models to set beside them, such as fine-tuned ones.",
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="The group that measures by group treat apart.")
    ] = None,
    share: Annotated[float, typer.Option(help="Share of the answers that routing sends.")] = 0.05,
    score: Annotated[str, typer.Option(help="What makes an answer risky, for routing.")] = (
        "own-margin"
    ),
    macs: options.Macs = None,
    out: options.Out = Path("comparison"),
    scores: options.Scores = "logits",
    mapping: options.Mapping = None,
    thresholds: options.Thresholds = None,
    groups: options.Identity = None,
    cluster: options.Clustered = None,
    min_support: options.MinSupport = 10,
    replicates: options.Replicates = 1000,
    confidence: options.Confidence = 0.95,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Fit measures on a validation split, judge them on a test split, and rank them.

    Writes comparison.json, comparison.parquet and comparison.html to the folder --out.
    """
    from prunescope.cli.files import Files
    from prunescope.cli.mitigate import tables
    from prunescope.mitigate import Candidate, Scene
    from prunescope.mitigate import compare as set_beside
    from prunescope.predictions import read_mapping
    from prunescope.report import write_comparison

    files = Files(scores, read_mapping(mapping or ()), thresholds)
    pruned_validation, dense_validation = options.pair("--validation", files.load(validation))
    pruned_test, dense_test = options.pair("--test", files.load(test))
    others = [
        Candidate(model.name, model, "nothing but its logits", "training of its own")
        for model in files.load(also or [])
    ]
    scene = Scene(
        dense_validation, pruned_validation, dense_test, pruned_test,
        group=group, share=share, score=score,
        macs=options.two_numbers("--macs", macs), min_support=min_support,
    )  # fmt: skip
    with progress("measures") as update:
        found = set_beside(
            scene, options.names(measures), others, progress=update,
            identity=options.names(groups), cluster=cluster, min_support=min_support,
            replicates=replicates, confidence=confidence, seed=seed,
        )  # fmt: skip
    found.save(out)
    page = write_comparison(found, out)
    for note in found.info.notes:
        say(f"note: {note}")

    def show() -> None:
        tables.print_comparison(found)
        typer.echo(f"\nreport: {page}")

    result(
        as_json,
        {**tables.comparison_data(found), "folder": str(out), "report": str(page)},
        show,
    )
