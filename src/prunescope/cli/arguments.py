"""What a person types, as the parser takes it: commands of two words, options of several values."""

from __future__ import annotations

MANY = (
    "--compressed", "--against", "--dense-seeds", "--pruned-validation", "--test", "--fit",
    "--also",
    "--predictions",
)  # fmt: skip
"""Options that take all values up to the next option."""

MANY_OF = {"mitigate compare": ("--models",)}
"""The same for one command."""

TWO_WORDS = (
    ("data", "info"),
    ("data", "make"),
    ("forecast", "score"),
    ("mitigate", "compare"),
    ("mitigate", "finetune"),
    ("mitigate", "route"),
    ("mitigate", "search"),
    ("mitigate", "thresholds"),
    ("policy", "init"),
    ("policy", "power"),
    ("review", "export"),
    ("study", "init"),
    ("study", "plan"),
    ("study", "report"),
    ("study", "run"),
    ("study", "status"),
    ("study", "track"),
)
"""Commands of two words, which the parser takes as one."""


def arguments(typed: list[str]) -> list[str]:
    """Join the words of a command, and repeat an option before each of its values.

    Examples
    --------
    >>> arguments(["audit", "dense", "--compressed", "a", "b", "-o", "out"])
    ['audit', 'dense', '--compressed', 'a', '--compressed', 'b', '-o', 'out']
    >>> arguments(["mitigate", "--help"])  # what there is
    ['--help']
    >>> arguments(["forecast", "score", "folder", "--against=a", "b"])
    ['forecast score', 'folder', '--against=a', '--against', 'b']
    """
    if typed[:1] == ["help"] or (len(typed) < 3 and _asks_for_list(typed)):
        return ["--help"]
    if tuple(typed[:2]) in TWO_WORDS:
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


def _asks_for_list(typed: list[str]) -> bool:
    """Tell whether the first of two words stands alone: `mitigate`, or `mitigate --help`."""
    alone = {first for first, _ in TWO_WORDS} - {"forecast"}  # which is a command itself
    return typed[:1] != [] and typed[0] in alone and typed[1:] in ([], ["-h"], ["--help"])
