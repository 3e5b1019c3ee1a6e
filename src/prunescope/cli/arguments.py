"""What a person types, as the parser takes it: commands of two words, options of several values."""

from __future__ import annotations

from collections.abc import Collection

MANY = (
    "--compressed", "--against", "--dense-seeds", "--pruned-validation", "--test", "--fit",
    "--also",
    "--predictions",
)  # fmt: skip
"""Options that take all values up to the next option."""

MANY_OF = {"mitigate compare": ("--models",)}
"""The same for one command."""


def arguments(typed: list[str], commands: Collection[str]) -> list[str]:
    """Join the words of a command, and repeat an option before each of its values.

    Examples
    --------
    >>> known = ["audit", "forecast", "forecast score", "mitigate route"]
    >>> arguments(["audit", "dense", "--compressed", "a", "b", "-o", "out"], known)
    ['audit', 'dense', '--compressed', 'a', '--compressed', 'b', '-o', 'out']
    >>> arguments(["mitigate", "--help"], known)  # what there is
    ['--help']
    >>> arguments(["forecast", "score", "folder", "--against=a", "b"], known)
    ['forecast score', 'folder', '--against=a', '--against', 'b']
    """
    if _asks_for_list(typed, commands):
        return ["--help"]
    if " ".join(typed[:2]) in commands:
        typed = [" ".join(typed[:2]), *typed[2:]]
    many = (*MANY, *MANY_OF.get(typed[0] if typed else "", ()))
    result: list[str] = []
    option, n_values = "", 0
    for word in typed:
        if word.startswith("-"):
            option, with_value, _ = word.partition("=")
            n_values = bool(with_value)
        else:
            n_values += 1
            if option in many and n_values > 1:
                result.append(option)
        result.append(word)
    return result


def _asks_for_list(typed: list[str], commands: Collection[str]) -> bool:
    """Tell whether `help`, or the first of two words, stands alone or before --help."""
    if not typed or typed[1:] not in ([], ["-h"], ["--help"]):
        return typed[:1] == ["help"]
    firsts = {name.partition(" ")[0] for name in commands}
    return typed[0] == "help" or typed[0] in firsts.difference(commands)
