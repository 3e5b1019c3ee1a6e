"""Reading ``study.yaml``, with errors that name the line and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prunescope.data import DataConfig
from prunescope.data.backdoors import Backdoor
from prunescope.errors import ConfigError
from prunescope.study.plan.config import AuditChoices, Grid, StudyConfig
from prunescope.yaml_source import Keys, Source, parse_yaml, read_text

BASE, VARY = "base", "vary"

KEYS: Keys = {
    "": (*(name for name in StudyConfig.model_fields if name != "grids"), BASE, VARY),
    BASE: tuple(Grid.model_fields),
    VARY: tuple(Grid.model_fields),
    "data": tuple(DataConfig.model_fields),
    "audit": tuple(AuditChoices.model_fields),
    "backdoors": tuple(Backdoor.model_fields),
}
"""What may stand in each mapping of the file."""


def template() -> str:
    """Return a commented study to start from."""
    return Path(__file__).with_name("template.yaml").read_text("utf-8")


def open_study(path: Path) -> tuple[StudyConfig, Source]:
    """Read the file of a study; return what it says, and where.

    Relative paths of the data start from the file's folder.

    Raises
    ------
    ConfigError
        The file is no YAML, or a key or value of it is not as expected; says file and line.
    """
    return parse_study(read_text(path, "prunescope study init"), path)


def parse_study(text: str, path: Path) -> tuple[StudyConfig, Source]:
    """Read a study from text; `path` is where it stands.

    Examples
    --------
    >>> parse_study("name: a study, splits: ]", Path("study.yaml"))
    Traceback (most recent call last):
    prunescope.errors.ConfigError: study.yaml:1: not YAML: mapping values are not allowed here
    """
    told, source = parse_yaml(text, path, "a study")
    return _study(told, source), source


def _study(told: dict[str, Any], source: Source) -> StudyConfig:
    """Put base and what varies together, and check all of it."""
    told = {BASE: {}, VARY: [{}], "data": {}} | told
    for name, kind in ((BASE, dict), (VARY, list), ("data", dict)):
        if not isinstance(told[name], kind) or told[name] == []:
            expected = "lines of 'key: value'" if kind is dict else "a list, entries begin by '- '"
            raise ConfigError(f"{source.at((name,))}: {name}: expected {expected}")
    base, vary = told.pop(BASE), told.pop(VARY)
    grids = []
    for i, entry in enumerate(vary):
        if not isinstance(entry, dict):
            raise ConfigError(
                f"{source.at((VARY, i))}: {entry!r}: expected lines of 'key: value', or {{}} for "
                "the base as it is"
            )
        with source.located(KEYS, dict.fromkeys(entry, (VARY, i)), (BASE,)):
            grids.append(Grid(**base | entry))
    data = _from_folder(told.pop("data"), source.path.parent)
    with source.located(KEYS):
        try:
            return StudyConfig.model_validate(told | {"data": data, "grids": tuple(grids)})
        except ConfigError as error:  # the data's, which pydantic lets pass
            raise ConfigError(f"{source.at(('data',))}: {error}") from error


def _from_folder(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Make the paths of a data set absolute; relative ones start from the file's folder."""
    paths = {
        name: str((folder / Path(data[name]).expanduser()).absolute())
        for name in ("source", "images", "cache")
        if isinstance(data.get(name), str) and data[name] != "synthetic"
    }
    return data | paths
