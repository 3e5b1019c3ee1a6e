"""`prunescope view`, and `prunescope review export`."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from prunescope.cli import options, output
from prunescope.cli.console import result, say
from prunescope.cli.models import Factory
from prunescope.cli.page import PolicyFile

if TYPE_CHECKING:
    from fastapi import FastAPI

    from prunescope.audit import Audit
    from prunescope.predictions import Predictions

SERVER, REVIEW = "Server", "Review"

DECISIONS = "decisions.jsonl"
"""Name of the file of decisions, in the audit's folder."""

LAYOUT = "map.safetensors"
"""Name of the file that the map's places are kept in, there."""


def view(
    folder: Annotated[
        Path, typer.Argument(help="Folder that 'prunescope audit' or 'sensitivity' wrote.")
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set (or its .yaml) to show images from.",
            show_default="data.yaml in the folder, where there is one",
        ),
    ] = None,
    predictions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE...",
            help="Predictions of all of the audit's models.",
            show_default="those that the audit was made of",
        ),
    ] = None,
    forecast: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a forecast, to sort and filter by risk.",
            show_default="forecast in the folder, where there is one",
        ),
    ] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help="Checkpoint of one of the audit's models, to show why an answer flipped: of both "
            "models that are compared. Repeat for several.",
        ),
    ] = None,
    factory: Factory = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(
            help="Embeddings of the images, by id, that the map is made of.",
            show_default="embeddings.parquet in the folder, or the dense model's answers",
        ),
    ] = None,
    policy: PolicyFile = None,
    decisions: Annotated[
        Path | None,
        typer.Option(
            help="File to keep decisions in.",
            show_default=f"FOLDER/{DECISIONS}",
            rich_help_panel=REVIEW,
        ),
    ] = None,
    reviewer: Annotated[
        str | None,
        typer.Option(
            help="Name of who reviews here.",
            show_default="that of the user",
            rich_help_panel=REVIEW,
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to serve; any but loopback takes a token to open.", rich_help_panel=SERVER
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Port.", show_default="a free one", rich_help_panel=SERVER)
    ] = None,
    root_path: Annotated[
        str,
        typer.Option(
            help="Path that a proxy serves it under, such as /faces.",
            show_default="/",
            rich_help_panel=SERVER,
        ),
    ] = "",
    proxy_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Name that a proxy on this machine is reached by; takes a token to open. "
            "Repeat for several.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open the browser.", rich_help_panel=SERVER)] = True,
    *,
    read: options.Answers,
) -> None:
    """Look at the images behind an audit, and review answers: a web app on this machine.

    Decisions are kept in decisions.jsonl in the folder, line by line. The sensitivity of layers,
    in the folder or in 'sensitivity' there, is shown too, or alone where there is no audit.
    """
    from prunescope.audit import Audit
    from prunescope.errors import ConfigError, shorten
    from prunescope.forecast import Forecast
    from prunescope.predictions.embeddings import Embeddings
    from prunescope.verdict import Policy
    from prunescope.verdict.numbers import counted

    if (read.about or read.about_file) and not predictions:
        raise ConfigError("--model and --models tell of files that --predictions names: name them")
    viewer = _viewer()
    loopback, token, proxies = viewer.is_loopback(host), viewer.new_token(), proxy_host or ()
    root = viewer.root_path(root_path)
    guarded = {"token": token, "loopback": loopback, "proxies": proxies, "root": root}

    def serve(app: FastAPI) -> None:
        taken = viewer.bind(host, port)
        needed = None if loopback and not proxies else token
        url = viewer.url_of(host, taken.getsockname()[1], needed, root)
        viewer.serve(app, taken, url=url, open_browser=browser and loopback, tell=say)

    layers = _layers(folder)
    if layers is not None and not (folder / "audit.json").exists():
        told = {
            "data": data, "predictions": predictions, "forecast": forecast, "policy": policy,
            "checkpoint": checkpoint, "embeddings": embeddings, "decisions": decisions,
        }  # fmt: skip
        if unused := [f"--{name}" for name, value in told.items() if value]:
            raise ConfigError(f"{folder} holds no audit: leave out {shorten(unused)}")
        serve(viewer.page_app(layers, **guarded))
        return
    audit = Audit.load(folder)
    answers = read.of(predictions).load(predictions) if predictions else _answers(audit, folder)
    if forecast is None and (folder / "forecast" / "forecast.json").exists():
        forecast = folder / "forecast"
    embeddings = embeddings or _if_there(folder / "embeddings.parquet")
    source = data or _if_there(folder / "data.yaml")
    collection = viewer.Collection.of(
        audit,
        answers,
        None if forecast is None else Forecast.load(forecast),
        None if source is None else options.load(options.Data(str(source)).config()),
        None if policy is None else Policy.load(policy),
        None if embeddings is None else Embeddings.load(embeddings),
        folder / LAYOUT,
    )
    collection.report  # noqa: B018 - a policy that is not about this audit is told before a page is
    for note in collection.notes:
        say(f"note: {note}")
    explainer = viewer.Explainer.load(
        collection, _folders(checkpoint or [], list(collection.models)), factory
    )
    if source is None:
        say("note: no images are shown: name their data set by --data")
    kept = viewer.Decisions(decisions or folder / DECISIONS)
    serve(
        viewer.create_app(
            collection, kept, reviewer=reviewer or _user(), explainer=explainer, layers=layers,
            **guarded,
        )
    )  # fmt: skip
    n = len(kept.decided)
    say(f"stopped; {counted(n, 'answer')} {'is' if n == 1 else 'are'} decided in {kept.path}")


def export(
    folder: Annotated[
        Path, typer.Argument(help="Folder of the audit that was reviewed, or a file of decisions.")
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Table to write: .csv or .parquet.", callback=output.file),
    ] = Path("decisions.csv"),
    as_json: options.Json = False,
) -> None:
    """Write what reviewers decided as a table, for 'mitigate route --overrides' say."""
    from prunescope.errors import DataError
    from prunescope.predictions.spreadsheets import write_table
    from prunescope.verdict.numbers import counted

    viewer = _viewer()
    path = folder / DECISIONS if folder.is_dir() else folder
    if not path.exists():
        raise DataError(
            f"{path} does not exist: expected the decisions that 'prunescope view {folder}' keeps"
        )
    table = viewer.Decisions(path).table()
    write_table(table, out)
    unsure = table.filter(answer="unsure").height
    told = f"{out}: {counted(table.height, 'answer')} decided, {unsure} of them unsure"
    result(as_json, {"file": str(out), "decided": table.height, "unsure": unsure}, told)


def _viewer() -> ModuleType:
    """Import the viewer, or say what it takes."""
    from prunescope.errors import MissingExtraError

    try:
        from prunescope import viewer
    except ModuleNotFoundError as error:
        raise MissingExtraError("the viewer", "viewer") from error
    return viewer


def _answers(audit: Audit, folder: Path) -> list[Predictions]:
    """Read the files that an audit was made of, as it read them."""
    from prunescope.cli.files import Files
    from prunescope.errors import DataError

    told = audit.info.sources
    cuts = None if told.thresholds is None else folder / told.thresholds
    paths = {}
    for model in audit.info.models:
        beside = folder / f"{model.name}.parquet"
        paths[model.name] = folder / told.files.get(model.name, beside.name)
        if not paths[model.name].exists() and beside.exists():
            paths[model.name] = beside
    if lacking := [path for path in paths.values() if not path.is_file()]:
        raise DataError(
            f"{lacking[0]}: the answers that the audit was made of are not there, or not in one "
            "file: name those of all its models by --predictions"
        )
    said = {str(paths[name]): of for name, of in told.told.items() if name in paths}
    return Files(told.scores, told.columns, cuts, said).load([*map(str, paths.values())])


def _layers(folder: Path) -> str | None:
    """Draw the sensitivity of layers that is in a folder, or in ``sensitivity`` there."""
    from prunescope.report import sensitivity_html
    from prunescope.sensitivity import Plan, Sensitivity

    for one in (folder, folder / "sensitivity"):
        if (one / "sensitivity.json").exists():
            plan = one / "plan.yaml"
            found = Sensitivity.load(one)
            return sensitivity_html(found, Plan.load(plan) if plan.exists() else None)
    return None


def _folders(given: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    """Read NAME=FOLDER; names may hold the sign, too."""
    from prunescope.errors import ConfigError, one_of

    found: dict[str, Path] = {}
    for text in given:
        parts = text.split("=")
        ways = [("=".join(parts[:i]), "=".join(parts[i:])) for i in range(1, len(parts))]
        known = [(name, folder) for name, folder in ways if name in names and folder]
        if not ways or not all(ways[0]):
            raise ConfigError(
                f"--checkpoint {text}: expected NAME=FOLDER, such as {names[0]}=dense"
            )
        if not known:
            raise ConfigError(f"--checkpoint {text}: {one_of('model', ways[0][0], names)}")
        name, folder = known[-1]
        if name in found:
            raise ConfigError(f"--checkpoint names {name} twice: {found[name]} and {folder}")
        found[name] = Path(folder)
    return found


def _if_there(path: Path) -> Path | None:
    return path if path.exists() else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user is known to the system
        return "reviewer"
