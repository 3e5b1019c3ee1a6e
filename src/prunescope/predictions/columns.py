"""Columns under other names: which of them stands for which of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from prunescope.errors import ConfigError, DataError, one_of

FIXED = ("id", "y", "image")
"""Columns of one name."""
FAMILIES = ("y__", "logit__", "group__")
"""Columns of one name per attribute, class or group: what their names start with."""
FORM = "id, y, image, y__<attribute>, logit__<attribute>, group__<name>"


def is_ours(name: str) -> bool:
    """Tell whether a column has a name that means something in a prediction file.

    Examples
    --------
    >>> [name for name in ("id", "ID", "y__Bald", "y__", "Bald") if is_ours(name)]
    ['id', 'y__Bald']
    """
    return name in FIXED or any(name.startswith(f) and name != f for f in FAMILIES)


def read_mapping(texts: Iterable[str]) -> dict[str, str]:
    """Read texts NEW=OLD: our name of a column, and the name that it has in the file.

    One ``*`` on both sides stands for the same text, of any length but 0.

    Raises
    ------
    ConfigError
        A text has no ``=``, NEW is no column of ours or is named twice, or ``*`` stands on one
        side only or twice.

    Examples
    --------
    >>> read_mapping(["id=filename", "logit__*=prob_*"])
    {'id': 'filename', 'logit__*': 'prob_*'}
    >>> read_mapping(["filename=id"])
    Traceback (most recent call last):
    prunescope.errors.ConfigError: mapping 'filename=id': 'filename' is no column of a prediction
    file; expected NEW=OLD with NEW one of id, y, image, y__<attribute>, logit__<attribute>,
    group__<name>. Are the sides swapped? id=filename
    """
    mapping: dict[str, str] = {}
    for text in texts:
        new, equals, old = text.partition("=")
        if not equals:
            raise ConfigError(f"mapping {text!r}: expected NEW=OLD, such as id=filename")
        if new in mapping:
            raise ConfigError(
                f"mapping {text!r}: {new!r} stands for {mapping[new]!r} already; name it once"
            )
        mapping[new] = old
    _check(mapping)
    return mapping


def rename(
    columns: Sequence[str],
    mapping: Mapping[str, str],
    source: str = "",
    optional: tuple[str, ...] = (),
) -> dict[str, str]:
    """Return what to call the columns that a mapping renames: {their name: our name}.

    A column that several entries fit goes to the one that spells it out, else to the pattern with
    most letters; names that are ours already count as patterns too (``y__*``), and lose a tie. An
    entry that fits no column is passed over where the file has our name of it.

    Parameters
    ----------
    columns : sequence of str
        The names in the file: a schema is enough.
    mapping : dict
        Our name → theirs, as `read_mapping` gives it.
    source : str
        What messages call the file.
    optional : tuple of str
        Entries of ours that start so may fit no column.

    Raises
    ------
    ConfigError
        The mapping makes no sense for any file.
    DataError
        An entry fits no column, or two columns would get one name.

    Examples
    --------
    >>> rename(["file", "a_true", "a_prob"], {"id": "file", "y__*": "*_true", "logit__*": "*_prob"})
    {'file': 'id', 'a_true': 'y__a', 'a_prob': 'logit__a'}
    """
    _check(mapping)
    where = f"{source}: " if source else ""
    renamed: dict[str, str] = {}
    patterns = {new: old for new, old in mapping.items() if "*" in new}
    present = set(columns)
    for new, old in mapping.items():
        if new in patterns:
            fits = any(star(column, old) for column in columns)
            there = any(star(column, new) for column in columns)
        else:
            fits, there = old in present, new in present
        if fits and new not in patterns:
            renamed[old] = new
        if not (fits or there or new.startswith(optional)):
            raise DataError(f"{where}{new}={old}: {one_of('column', old, columns)}")
    for column in columns:
        if column not in renamed and column not in FIXED:
            renamed[column] = _by_pattern(column, patterns, where)
    _check_distinct(columns, renamed, where)
    return {old: new for old, new in renamed.items() if old != new}


def _check(mapping: Mapping[str, str]) -> None:
    """Raise a `ConfigError` at an entry that makes no sense for any file."""
    sources: dict[str, str] = {}
    for new, old in mapping.items():
        text = f"mapping {f'{new}={old}'!r}"
        if not is_ours(new):
            swapped = f". Are the sides swapped? {old}={new}" if is_ours(old) else ""
            raise ConfigError(
                f"{text}: {new!r} is no column of a prediction file; expected NEW=OLD with NEW one "
                f"of {FORM}{swapped}"
            )
        if new.count("*") != old.count("*") or new.count("*") > 1:
            raise ConfigError(f"{text}: expected no * or one on each side, such as y__*=*_true")
        if old in sources:
            raise ConfigError(
                f"{text}: {old!r} is mapped to {sources[old]!r} already; a column has one name"
            )
        sources[old] = new


def star(name: str, pattern: str) -> str | None:
    """Return what ``*`` stands for in a name, or None where the pattern does not fit."""
    before, _, after = pattern.partition("*")
    if len(name) <= len(before) + len(after):
        return None
    if not (name.startswith(before) and name.endswith(after)):
        return None
    return name[len(before) : len(name) - len(after)]


def _by_pattern(column: str, patterns: Mapping[str, str], where: str) -> str:
    """Return our name of a column by the pattern with most letters, or the name that it has."""
    own = next((len(family) for family in FAMILIES if column.startswith(family)), 0)
    fits = {
        new: (len(old), new.replace("*", part))
        for new, old in patterns.items()
        if (part := star(column, old)) and len(old) > own
    }
    if not fits:
        return column
    most = max(letters for letters, _ in fits.values())
    best = [new for new, (letters, _) in fits.items() if letters == most]
    if len(best) > 1:
        entries = " and ".join(f"{new}={patterns[new]}" for new in best)
        raise DataError(
            f"{where}column {column!r} fits {entries} alike: spell out what it is, such as "
            f"{fits[best[0]][1]}={column}"
        )
    return fits[best[0]][1]


def _check_distinct(columns: Sequence[str], renamed: Mapping[str, str], where: str) -> None:
    """Raise a `DataError` if two columns would have one name."""
    seen: dict[str, str] = {}
    for column in columns:
        name = renamed.get(column, column)
        if name in seen:
            raise DataError(
                f"{where}columns {seen[name]!r} and {column!r} would both be {name!r}: leave one "
                "out of the mapping, or rename it in the file"
            )
        seen[name] = column
