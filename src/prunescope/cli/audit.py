"""`prunescope audit` and `prunescope report`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from prunescope.cli import options, output
from prunescope.cli.console import progress, result, say

if TYPE_CHECKING:
    from prunescope.audit import Audit
    from prunescope.data import Dataset

Formats = Annotated[
    str,
    typer.Option("--format", help="Formats of the report, by commas: html, json, md, csv, card."),
]

Figures = Annotated[
    str | None,
    typer.Option(help="Write the charts to --out/figures too: svg, png, or both by a comma."),
]
GainFile = Annotated[
    Path | None,
    typer.Option(
        "--gain",
        metavar="FILE",
        help="What 'prunescope gain --json' printed: sizes and times for the trade-off.",
    ),
]
PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help="What a model has to keep to be shipped: docs/gate.md.",
        show_default="the shipped policy",
    ),
]
SlicesFolder = Annotated[
    Path | None,
    typer.Option(
        "--slices",
        metavar="FOLDER",
        help="What 'prunescope slices' found: the report then tells where it hurts most.",
    ),
]
BaseModel = Annotated[
    str | None,
    typer.Option(
        metavar="OWNER/NAME",
        help="Model on the Hugging Face hub that all were made of: for the format card.",
        show_default="that of dense models hf:OWNER/NAME",
    ),
]


def audit(
    dense: Annotated[
        list[str],
        typer.Argument(
            metavar="DENSE...",
            help="Predictions of dense models: .parquet or .csv files; a folder, or a pattern in "
            "quotes, is one model in several .parquet files.",
        ),
    ],
    compressed: Annotated[
        list[str],
        typer.Option("--compressed", metavar="FILE...", help="Predictions of compressed models."),
    ],
    out: options.Out = Path("audit"),
    scores: options.Scores = "logits",
    mapping: options.Mapping = None,
    about: options.About = None,
    about_file: options.AboutFile = None,
    thresholds: options.Thresholds = None,
    train_labels: options.TrainLabels = None,
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--in-memory",
            help="Read a part of the files at a time.",
            show_default="where they are too large for memory",
            rich_help_panel=options.FILES,
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            help="Where to count: here, or on a Ray cluster.", rich_help_panel=options.FILES
        ),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            help="Of the Ray cluster: auto, or host:port.",
            show_default="one on this machine",
            rich_help_panel=options.FILES,
        ),
    ] = None,
    groups: options.Identity = None,
    intersect: Annotated[
        list[str] | None,
        typer.Option(help="Groups to cross, by commas: Male,Young. Repeat for several."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Group whose samples depend on each other: one unit each of its values."),
    ] = None,
    replicates: Annotated[
        int,
        typer.Option(help="Blocks of samples to leave out in turn, behind intervals; 0 for none."),
    ] = 512,
    confidence: Annotated[float, typer.Option(help="Level of the intervals.")] = 0.95,
    min_effect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[METRIC=]CHANGE",
            help="The least change that matters, for all metrics or one: accuracy=0.005. Smaller "
            "ones get the verdict 'negligible'. Repeat for several.",
        ),
    ] = None,
    min_support: Annotated[int, typer.Option(help="Samples that an estimate needs.")] = 10,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="Judge models by the samples that all files have, however few. Without it the "
            "answer is 'cannot tell' where they share less than 95% of them.",
            rich_help_panel=options.FILES,
        ),
    ] = False,
    bins: Annotated[int, typer.Option(help="Bins of the calibration error.")] = 10,
    band: Annotated[
        tuple[float, float], typer.Option(help="A probability inside is called uncertain.")
    ] = (0.1, 0.9),
    trigger: Annotated[
        str | None,
        typer.Option(
            help="Boolean group that marks a planted backdoor.",
            show_default="the group backdoor, where there is one",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed by which many samples share blocks.")] = 0,
    data: Annotated[
        str | None, typer.Option(help="Data set (or its .yaml) to show images from.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    formats: Formats = "html",
    figures: Figures = None,
    gain: GainFile = None,
    policy: PolicyFile = None,
    slices: SlicesFolder = None,
    base_model: BaseModel = None,
    as_json: options.Json = False,
) -> None:
    """Compare compressed models with dense ones: a table, and a report to look at.

    Writes audit.parquet (one row per estimate), audit.json, more tables and report.html to the
    folder --out.
    """
    from prunescope.cli.files import Files
    from prunescope.predictions import train_rates_from

    crossed = [options.names(text) or [] for text in intersect or ()]
    files = Files.of([*dense, *compressed], scores, mapping, thresholds, about, about_file)
    rates = None
    if train_labels is not None:
        rates = train_rates_from(train_labels, files.columns, crossed)
    choice = {
        "identity": options.names(groups),
        "intersect": crossed,
        "train_rates": rates,
        "cluster": cluster,
        "replicates": replicates,
        "confidence": confidence,
        "min_effect": _effects(min_effect or ()),
        "min_support": min_support,
        "allow_missing": allow_missing,
        "n_bins": bins,
        "band": band,
        "trigger": trigger,
        "seed": seed,
    }
    streamed = files.streamed([*dense, *compressed], stream, engine)
    with progress("audit") as update:
        if streamed:
            found = files.audit_streamed(dense, compressed, engine, address, update, choice)
        else:
            found = files.audit_in_memory(dense, compressed, update, choice)
    read = files.sources([model.name for model in found.info.models], [*dense, *compressed])
    found = found.read_from(out, read)
    output.outdated(out, *output.REPORT)
    found.save(out)
    _write(found, out, title, data, formats, figures, gain, policy, slices, base_model, as_json)


def _effects(texts: Iterable[str]) -> dict[str, float]:
    """Read the least changes that matter: CHANGE, or METRIC=CHANGE.

    Examples
    --------
    >>> _effects(["0.01", "accuracy=0.005"])
    {'*': 0.01, 'accuracy': 0.005}
    """
    from prunescope.errors import ConfigError

    effects = {}
    for text in texts:
        metric, _, number = text.rpartition("=")
        try:
            effects[metric or "*"] = float(number)
        except ValueError as error:
            raise ConfigError(
                f"least effect {text!r}: expected a number, or METRIC=number, such as accuracy=0.01"
            ) from error
    return effects


def report(
    folder: Annotated[Path, typer.Argument(help="Folder that 'prunescope audit' wrote.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder to write to.", show_default="FOLDER"),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Data set (or its .yaml) to show images from.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    formats: Formats = "html",
    figures: Figures = None,
    gain: GainFile = None,
    policy: PolicyFile = None,
    slices: SlicesFolder = None,
    base_model: BaseModel = None,
    as_json: options.Json = False,
) -> None:
    """Write the report of an audit again, with images of a data set, say."""
    from prunescope.audit import Audit

    found, target = Audit.load(folder), out or folder
    output.pages(target)
    _write(found, target, title, data, formats, figures, gain, policy, slices, base_model, as_json)


def _write(
    found: Audit,
    out: Path,
    title: str | None,
    data: str | None,
    formats: str,
    figures: str | None,
    gain: Path | None,
    policy: Path | None,
    slices: Path | None,
    base_model: str | None,
    as_json: bool,
) -> None:
    """Write the report and print its answer."""
    from prunescope.cli.tables import print_findings
    from prunescope.report import build, read_gain, write_figures, write_report
    from prunescope.slices import Slices
    from prunescope.verdict import Policy

    measured = None if gain is None else read_gain(gain)
    own = None if policy is None else Policy.load(policy)
    hurt = None if slices is None else Slices.load(slices)
    images = _dataset(data)
    page = build(
        found,
        title=title,
        dataset=images,
        gain=measured,
        policy=own,
        slices=hurt,
        base_model=base_model,
    )
    written = write_report(page, out, formats=options.names(formats) or ())
    if figures is not None:
        written += write_figures(page, out, options.names(figures) or ())
    for text in (*found.info.warnings, *found.info.notes):
        say(f"note: {text}")

    def show() -> None:
        print_findings(page)
        typer.echo(f"\nreport: {', '.join(map(str, written))}")

    findings = [finding.model_dump(mode="json", exclude={"rows"}) for finding in page.findings]
    files = [str(path) for path in written]
    verdict = page.verdict.model_dump(mode="json")
    about = {"headline": page.headline, "verdict": verdict, "folder": str(out), "report": files}
    result(as_json, {**about, "findings": findings}, show)


def _dataset(data: str | None) -> Dataset | None:
    return None if data is None else options.load(options.data_config(data))
