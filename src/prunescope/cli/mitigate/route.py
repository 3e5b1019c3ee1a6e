"""`prunescope mitigate route`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from prunescope.cli import options, output
from prunescope.cli.console import result, say

CHOICE = "Which answers to send: one of"
CERTIFY = "With --certify"


def route(
    pruned: Annotated[
        str, typer.Argument(metavar="PRUNED", help="Predictions of a pruned model, validation.")
    ],
    dense: Annotated[
        str, typer.Argument(metavar="DENSE", help="Those of the dense model on the same split.")
    ],
    to: Annotated[
        Literal["dense", "person"], typer.Option(help="Who answers what is sent.")
    ] = "dense",
    score: Annotated[
        str | None,
        typer.Option(
            help="What makes an answer risky: own-margin (costs nothing), or what a forecast of "
            "tier A says of the dense model's answers: margin, band, prior-shrink, group-prior, "
            "spectral-shrink.",
            show_default="own-margin",
        ),
    ] = None,
    whole: Annotated[
        bool,
        typer.Option(
            "--whole", help="Send samples with all their answers, by the riskiest of them."
        ),
    ] = False,
    forecast: Annotated[
        Path | None,
        typer.Option(help="Instead of --score: folder of a forecast of these samples, any tier."),
    ] = None,
    test_forecast: Annotated[
        Path | None, typer.Option(help="Folder of a forecast of the test samples.")
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(help="The riskiest share of the answers.", rich_help_panel=CHOICE),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="As few as hold these bounds, such as 'flip_rate <= 0.02' "
            "(docs/mitigate/search.md).",
            rich_help_panel=CHOICE,
        ),
    ] = None,
    certify: Annotated[
        Literal["disagreement", "error"] | None,
        typer.Option(help="As few as provably bound this loss.", rich_help_panel=CHOICE),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            help="The loss that is allowed, in (0, 1).",
            show_default="0.05",
            rich_help_panel=CERTIFY,
        ),
    ] = None,
    delta: Annotated[
        float | None,
        typer.Option(
            help="How likely the proof may fail, in (0, 1).",
            show_default="0.1",
            rich_help_panel=CERTIFY,
        ),
    ] = None,
    certify_groups: Annotated[
        str | None,
        typer.Option(
            help="Prove it of every value of these groups, too, by commas.",
            rich_help_panel=CERTIFY,
        ),
    ] = None,
    overrides: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What people said of answers, .csv or .parquet: id, attribute, answer (yes, no, "
            "unsure, label_wrong). With one of the choices, or alone: before and after.",
            rich_help_panel=options.FILES,
        ),
    ] = None,
    test: options.Test = None,
    macs: options.Macs = None,
    out: options.Out = Path("route"),
    groups: options.Identity = None,
    *,
    answers: options.Answers,
    judging: options.Judging,
    as_json: options.Json = False,
) -> None:
    """Send the riskiest answers to the dense model or to a person, and tell what that leaves.

    Writes route.json, curve.parquet and route.html to the folder --out. With --test, tells what it
    does to data that chose nothing; with --overrides, what people did: in comparison.json and
    comparison.parquet, too.
    """
    from prunescope.cli.mitigate import tables
    from prunescope.errors import ConfigError
    from prunescope.forecast import Forecast
    from prunescope.mitigate import Overrides, judge_route
    from prunescope.mitigate import route as choose
    from prunescope.mitigate.risk import OWN_MARGIN
    from prunescope.report import write_route
    from prunescope.verdict import Policy

    if score and forecast:
        raise ConfigError("--score and --forecast are two kinds of risk: name one of them")
    proof = options.settings(
        dict[str, Any], alpha=alpha, delta=delta, certify_groups=options.names(certify_groups)
    )
    if proof and certify is None:
        raise ConfigError("--alpha, --delta and --certify-groups go with --certify: name a loss")
    tests = [] if test is None else options.pair("--test", test)
    paths = [pruned, dense, *tests]
    mine, theirs, *others = answers.of(paths).load(paths)
    tested = (others[0], others[1]) if others else None
    told = None if forecast is None else Forecast.load(forecast)
    foretold = None if test_forecast is None else Forecast.load(test_forecast)
    said = None if overrides is None else Overrides.load(overrides)
    settings: dict[str, Any] = {"identity": options.names(groups), **vars(judging)}
    found = choose(
        mine, theirs, to=to,
        score=score or OWN_MARGIN if told is None else told, whole=whole,
        share=share, target=None if target is None else Policy.of(target),
        certify_loss=certify, overrides=said, test=tested, test_score=foretold,
        macs=options.two_numbers("--macs", macs), **(proof or {}), **settings,
    )  # fmt: skip
    judged = None
    if tested is not None:
        judged = judge_route(found, *tested, score=foretold, overrides=said, **settings)
    elif said is not None:
        judged = judge_route(found, mine, theirs, score=told, overrides=said, **settings)
        if found.info.sends:
            say("note: these samples chose the cut, too: --test tells what it does to others")
    output.outdated(out, "route.html", "comparison.html", "comparison.parquet", "comparison.json")
    found.save(out)
    if judged is not None:
        judged.save(out)
    page = write_route(found, out, effects=judged)

    def show() -> None:
        tables.print_route(found)
        if judged is not None:
            tables.print_comparison(judged)
        typer.echo(f"\nreport: {page}")

    data = {
        **found.info.model_dump(mode="json"),
        "folder": str(out),
        "report": str(page),
        "curve": found.curve.to_dicts(),
        "effects": None if judged is None else tables.comparison_data(judged),
    }
    result(as_json, data, show)
    if found.info.cut is None:
        raise typer.Exit(1)
