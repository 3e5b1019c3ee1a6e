"""What to do with a table of another tool: the options that would read it, in words."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from prunescope.errors import PrunescopeError, shorten
from prunescope.predictions import layouts
from prunescope.predictions.cells import NOT_ENOUGH
from prunescope.predictions.columns import is_ours, read_mapping, rename
from prunescope.predictions.guess import guess
from prunescope.predictions.layouts import Look

MAX_OPTIONS = 64
"""More options than this are no help."""
MAX_LOOKS = 2000
"""As many columns are looked at."""
MAX_GROUPS = 4

_KINDS = {"id": "ids", "y": "labels", "logit": "scores"}
_EXAMPLES = {"id": "id=filename", "y": "'y__*=*_true'", "logit": "'logit__*=*_score'"}


def advise(frame: pl.DataFrame, missing: Sequence[str]) -> str:
    """Suggest, in words, how to read a table that lacks columns of ours.

    Parameters
    ----------
    frame : polars.DataFrame
    missing : sequence of {"id", "y", "logit"}
        What is needed and not there.

    Examples
    --------
    >>> frame = pl.DataFrame({"file": ["x"], "Bald_true": [1], "Bald_prob": [0.5]})
    >>> print(advise(frame, ["id", "y", "logit"]))
    Rename the columns, or add:
      --map id=file --map 'y__*=*_true' --map 'logit__*=*_prob' --scores probability
    """
    key = layouts.id_column(frame) if "id" in missing else None
    looked = [name for name in frame.columns if name != key][:MAX_LOOKS]
    looks = {name: Look.at(frame[name]) for name in looked}
    found = guess(looks, missing, lambda names: layouts.add_up(frame[name] for name in names))
    names = {**({} if key is None else {key: "id"}), **found.names}
    rest = {name: look for name, look in looks.items() if not (name in names or is_ours(name))}
    options = _options(_compact(frame.columns, names, found.patterns))
    if not options:
        examples = " ".join(f"--map {_EXAMPLES[role]}" for role in missing)
        lines = ["Rename the columns, or add --map NEW=OLD for each, such as:", f"  {examples}"]
        return "\n".join([*lines, *_what_lacks(rest, missing)])
    scores = [frame[name] for name in found.scores]
    if scores and (found.probable or layouts.in_unit_range(scores)):
        options.append("--scores probability")
    lines = ["Rename the columns, or add:", f"  {' '.join(options)}"]
    if found.counted is not None:
        places = [f"{new.removeprefix('logit__')} is {old}" for old, new in names.items()
                  if new.startswith("logit__")]  # fmt: skip
        lines.append(f"{found.counted} seems to count the classes: {shorten(places)}. Is it so?")
    unknown = [role for role in missing if not _is_found(role, names.values())]
    lines += _what_lacks(rest, unknown) if unknown else _groups(rest, frame.height)
    return "\n".join(lines)


def _compact(
    columns: Sequence[str], names: Mapping[str, str], patterns: Mapping[str, str]
) -> dict[str, str]:
    """Say {their column: our name} as a mapping, by patterns where they say exactly the same."""
    spelled = {new: old for old, new in names.items()}
    for kept in (patterns, *({new: old} for new, old in reversed(list(patterns.items())))):
        mapping: dict[str, str] = {}
        for new, old in spelled.items():
            family = next((pattern for pattern in kept if new.startswith(pattern[:-1])), None)
            mapping |= {new: old} if family is None else {family: kept[family]}
        try:
            if rename(columns, mapping) == names:
                return mapping
        except PrunescopeError:
            continue
    return spelled


def _options(mapping: Mapping[str, str]) -> list[str]:
    """Write a mapping as options, or none where they would be too many or read otherwise."""
    texts = [f"{new}={old}" for new, old in mapping.items()]
    try:
        same = len(texts) <= MAX_OPTIONS and read_mapping(texts) == mapping
    except PrunescopeError:
        same = False
    return [f"--map {shlex.quote(text)}" for text in texts] if same else []


def _is_found(role: str, names: Collection[str]) -> bool:
    """Tell whether one of our names plays a role."""
    return any(name == role or name.startswith(f"{role}__") for name in names)


def _what_lacks(rest: Mapping[str, Look], roles: Sequence[str]) -> list[str]:
    """Say which roles no column plays, and which columns only seem to hold scores."""
    lines = [f"Nothing looks like {' or '.join(_KINDS[role] for role in roles)}."]
    if "logit" not in roles:
        return lines
    sides = layouts.sides(rest, layouts.SCORES)
    named = {name for side in sides for name in side.columns.values() if rest[name].is_binary}
    named |= set(layouts.called(rest, layouts.ANSWERS))
    if answers := [name for name in rest if name in named]:
        lines.append(f"{shorten(answers)}: {NOT_ENOUGH}.")
    if lists := [name for name, look in rest.items() if look.is_nested]:
        lines.append(f"{shorten(lists)}: expected one column per attribute, not lists.")
    return lines


def _groups(rest: Mapping[str, Look], n_rows: int) -> list[str]:
    """Suggest what columns that are left may be compared by."""
    names = layouts.group_columns(rest, n_rows)[:MAX_GROUPS]
    options = _options({f"group__{name}": name for name in names})
    return ["To compare groups, add:", f"  {' '.join(options)}"] if options else []
