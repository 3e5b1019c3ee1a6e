"""`prunescope study`: init, plan, run, status, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from prunescope.cli import options, output
from prunescope.cli.console import progress, result, say

Config = Annotated[Path, typer.Argument(metavar="STUDY", help="The study's .yaml file.")]
Study = Annotated[Path, typer.Argument(metavar="STUDY", help="Its .yaml file, or its folder.")]
Folder = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="The study's folder.", show_default="the file's name"),
]
Processes = Annotated[int, typer.Option(help="Runs to make at once on this machine.", min=1)]


def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("study.yaml"),
    as_json: options.Json = False,
) -> None:
    """Write a commented study.yaml to start from."""
    from prunescope.files import write_new
    from prunescope.study.plan import template

    write_new(path, template())
    result(as_json, {"study": str(path)}, f"{path}: change it, then 'prunescope study plan {path}'")


def plan(
    config: Config,
    processes: Processes = 1,
    device: options.Device = None,
    timed: Annotated[
        bool, typer.Option("--time/--no-time", help="Time a few training steps on this machine.")
    ] = True,
    as_json: options.Json = False,
) -> None:
    """Say what a study would make, what is shared, and how long it takes here."""
    from prunescope.cli.study_tables import plan_data, print_plan
    from prunescope.data import outline
    from prunescope.study.plan import plan_study, time_steps

    made = plan_study(config)
    labels = outline(made.study.data)
    times = None
    if timed:
        with progress("time training steps") as update:
            times = time_steps(made, labels, device=device, progress=update)
    told = plan_data(made, labels, times)
    result(as_json, told, lambda: print_plan(told, processes))


def run(
    config: Config,
    out: Folder = None,
    processes: Processes = 1,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This machine, or a Ray cluster.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            help="Of a Ray cluster: auto, host:port or ray://host:port.",
            show_default="one of this machine alone",
        ),
    ] = None,
    results: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where machines of a cluster leave runs for each other, if they share no folder: "
            "s3://bucket/name, or another URL of fsspec.",
        ),
    ] = None,
    device: options.Device = None,
    as_json: options.Json = False,
) -> None:
    """Make what is not there yet of a study, and audit it; stopped, the same command goes on.

    A run that fails is noted and the others go on; exits with 1 if any did. The next call tries
    again.
    """
    from prunescope.cli.study_tables import status_data
    from prunescope.errors import ConfigError
    from prunescope.study import running

    if engine == "local" and (address or results):
        raise ConfigError("--address and --results belong to --engine ray: give that, too")
    if engine == "ray" and processes > 1:
        raise ConfigError("--processes belongs to --engine local: a cluster has its own number")
    chosen = (
        running.ray_cluster(address, results=results)
        if engine == "ray"
        else running.processes(processes)
    )
    folder = out or default_folder(config)
    output.shared(folder)
    done = running.run_study(config, folder, engine=chosen, device=device, tell=say, show=progress)
    told = {"folder": str(folder)} | status_data(done.statuses)
    line = f"{folder}: {told['finished']} of {told['runs']} runs finished"
    result(as_json, told, line)
    if not done.complete:
        say(f"what failed: prunescope study status {folder}")
        raise typer.Exit(1)


def track(
    study: Study,
    out: Folder = None,
    mlflow: Annotated[
        str | None,
        typer.Option(metavar="URI", help="An MLflow store: sqlite:///runs.db, http://host:5000."),
    ] = None,
    tensorboard: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where to write logs for TensorBoard.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Tell MLflow or TensorBoard of the runs that are finished and that it does not know yet."""
    from prunescope.errors import ConfigError
    from prunescope.study.running import Store
    from prunescope.study.tracking import track_mlflow, track_tensorboard

    if mlflow is None and tensorboard is None:
        raise ConfigError("nothing to tell: give --mlflow URI, --tensorboard DIR, or both")
    store, made = Store.open(folder_of(study, out))
    told: dict[str, int] = {}
    if mlflow is not None:
        with progress("MLflow") as update:
            told["mlflow"] = track_mlflow(store, made, mlflow, update)
    if tensorboard is not None:
        told["tensorboard"] = track_tensorboard(store, made, tensorboard)
    result(as_json, told, ", ".join(f"{name}: {n} runs added" for name, n in told.items()))


def status(study: Study, out: Folder = None, as_json: options.Json = False) -> None:
    """Say which runs of a study are finished, running, waiting or failed, and why."""
    from prunescope.cli.study_tables import print_status, status_data
    from prunescope.study.running import Store

    folder = folder_of(study, out)
    store, made = Store.open(folder)
    statuses = {run.key: store.status(run) for run in made.runs}
    failures = {
        run.key: failure.error for run in made.runs if (failure := store.failure(run)) is not None
    }
    shares = {run.key: store.progress(run) for run in made.runs}
    told: dict[str, Any] = {"folder": str(folder)} | status_data(statuses)
    told |= {"failures": failures, "progress": {k: v for k, v in shares.items() if v is not None}}
    result(as_json, told, lambda: print_status(told))


def report(
    study: Study,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Where to write.", show_default="'report' in the study's folder"
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Judge the claims by what is finished of a study, and write its page, figures and tables."""
    from prunescope.cli.study_tables import print_claims
    from prunescope.study.results import StudyResults, write_study_report
    from prunescope.study.results.judge import judge_claims

    folder = folder_of(study, None)
    results = StudyResults.open(folder)
    target = out or folder / "report"
    output.pages(target)
    claims = judge_claims(results, show=progress)
    page, *_ = write_study_report(results, claims, target)
    told: dict[str, Any] = {"folder": str(folder), "report": str(page)}
    told["claims"] = [claim.model_dump() for claim in claims]
    result(as_json, told, lambda: print_claims(claims, page))


def folder_of(study: Path, out: Path | None) -> Path:
    """Return the folder of a study that is named by its file or by the folder itself."""
    if out is not None:
        return out
    return study if study.is_dir() else default_folder(study)


def default_folder(config: Path) -> Path:
    """Return where a study goes unless told otherwise: a folder here, of the file's name."""
    return Path(config.stem)
