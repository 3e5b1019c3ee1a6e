"""What a person says of files of predictions: texts ``FILE:name=…,seed=…``, and YAML for many."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from prunescope.errors import ConfigError, one_of, settings_of
from prunescope.inputs import read_text
from prunescope.predictions.told import Told
from prunescope.yaml_source import brief, parse_yaml

KEYS = tuple(Told.model_fields)

_KEY = re.compile(rf":\s*({'|'.join(KEYS)})\s*=")


def is_about(text: str) -> bool:
    """Tell whether a text says something of a file.

    Examples
    --------
    >>> is_about("dense.parquet:seed=1"), is_about("module:factory")
    (True, False)
    """
    return _KEY.search(text) is not None


def read_about(
    texts: Iterable[str], path: str | Path | None, sources: Sequence[str]
) -> dict[str, Told]:
    r"""Read what is said of the files of a command; a text overrides what the YAML says.

    Parameters
    ----------
    texts : iterable of str
        ``FILE:KEY=VALUE,KEY=VALUE``, keys as in `Told`.
    path : path, optional
        YAML: file → keys; files are seen from its folder.
    sources : sequence of str
        The files, folders or patterns that the command was given.

    Returns
    -------
    told : dict
        Source → what is told, where something is.

    Raises
    ------
    ConfigError
        A file is none of the command's, a key is unknown or told twice, or a value makes no sense.

    Examples
    --------
    >>> read_about(["C:\\x.parquet:name=a,sparsity=0.9"], None, ["C:\\x.parquet"])
    {'C:\\x.parquet': Told(name='a', method=None, sparsity=0.9, seed=None, scores=None)}
    """
    by_place: dict[Path, Told] = {} if path is None else _read_yaml(Path(path), sources)
    typed: dict[Path, dict[str, str]] = {}
    for text in texts:
        place, values = _parse(text, sources)
        known = typed.setdefault(place, {})
        for key, value in values.items():
            if key in known:
                raise ConfigError(f"--model {text}: its {key} is {known[key]!r} already")
            known[key] = value
    for place, values in typed.items():
        with settings_of(f"--model {place.name}"):
            told = Told.model_validate(values)
        before = by_place.get(place, Told())
        by_place[place] = before.model_copy(update=told.model_dump(exclude_unset=True))
    return {source: by_place[_place(source)] for source in sources if _place(source) in by_place}


def _parse(text: str, sources: Sequence[str]) -> tuple[Path, dict[str, str]]:
    """Split a text into its file and its keys; the file may hold colons."""
    places = {_place(source) for source in sources}
    colons = [at for at, letter in enumerate(text) if letter == ":"]
    end = next((at for at in reversed(colons) if at and _place(text[:at]) in places), None)
    if end is None:
        found = _KEY.search(text)
        if found is None:
            raise ConfigError(
                f"--model {text}: expected FILE:KEY=VALUE,... with keys {', '.join(KEYS)}, such as "
                "pruned.parquet:name=small,sparsity=0.9"
            )
        raise ConfigError(f"--model {text}: {one_of('file', text[: found.start()], sources)}")
    values: dict[str, str] = {}
    for part in text[end + 1 :].split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or "=" in value:
            raise ConfigError(
                f"--model {text}: {part!r} is no KEY=VALUE; a value holds no comma and no '=': "
                "such a one is told in a file, by --models"
            )
        if key not in KEYS:
            raise ConfigError(f"--model {text}: {one_of('key', key, KEYS)}")
        if key in values:
            raise ConfigError(f"--model {text}: {key} stands twice")
        values[key] = value
    return _place(text[:end]), values


def _read_yaml(path: Path, sources: Sequence[str]) -> dict[Path, Told]:
    """Read a file of files."""
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} cannot be read: {error}; expected YAML, file: {{name: small, sparsity: 0.9}}"
        ) from error
    files, lines = parse_yaml(text, path, "files of predictions")
    places = {_place(source) for source in sources}
    found: dict[Path, Told] = {}
    for file, values in files.items():
        place, where = _place(path.parent / file), lines.at((file,))
        if place not in places:
            raise ConfigError(f"{where}: {one_of('file', file, sources)}")
        if place in found:
            raise ConfigError(f"{where}: {file} stands twice, by two names")
        if not isinstance(values, Mapping):
            raise ConfigError(f"{where}: {brief(values)}: expected keys, {', '.join(KEYS)}")
        with lines.located({"": KEYS}, others=(file,)):
            found[place] = Told.model_validate(values, strict=True)
    return found


def _place(file: str | Path) -> Path:
    """Return where a file, folder or pattern is, however it is written."""
    path = Path(file)
    return path.parent.resolve() / path.name
