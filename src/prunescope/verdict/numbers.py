"""Numbers as text: few digits, but never a false 0, 100 or "unchanged"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from prunescope.predictions import Compression

MINUS = "−"
BREAK = "&#8203;"
"""A space of no width, which Markdown does not read names across."""

MOST_DIGITS = 6
LARGE = 1000
"""Values from which decimals say nothing."""

NOISE = 1e-9
"""Values nearer to 0 than this are rounding errors of the computation."""


def decimal(value: float, digits: int, never: tuple[float, ...] = (0.0,)) -> str:
    """Round to `digits` decimals, or to as many more as it takes not to show a value in `never`.

    >>> decimal(91.23, 1), decimal(99.97, 1, never=(0, 100)), decimal(-0.004, 1), decimal(0, 1)
    ('91.2', '99.97', '−0.004', '0')
    """
    for exact in {0.0, *never}:
        if abs(value - exact) < NOISE:
            return f"{exact:g}"
    text = ""
    for places in range(digits, MOST_DIGITS + 1):
        text = f"{value:.{places}f}"
        if float(text) not in never:
            break
    else:
        text = f"{value:.0e}"
    return text.replace("-", MINUS)


def signed(value: float, digits: int) -> str:
    """Write a change with its sign.

    >>> signed(0.42, 1), signed(-3, 1), signed(0.0, 1)
    ('+0.4', '−3.0', '±0')
    """
    if abs(value) < NOISE:
        return "±0"
    return ("+" if value > 0 else "") + decimal(value, digits)


@dataclass(frozen=True)
class Unit:
    """How values of a kind are written, and changes of them.

    They are multiplied by `scale` and have `digits` decimals at least. Values in `never` (after
    scaling) are only shown where they are exact; `signed`: values have a sign as changes do.

    >>> SHARE.value(0.9123), SHARE.change(-0.004), SHARE.interval(0.91, 0.9999)
    ('91.2%', '−0.4 points', '91.0 to 99.99%')
    >>> RATIO.value(0.125), RATIO.change(-0.71), AMPLIFICATION.value(0.034)
    ('0.12', '−0.71', '+3.4 points')
    """

    scale: float
    digits: int
    never: tuple[float, ...] = (0.0,)
    suffix: str = ""
    change_suffix: str = ""
    signed: bool = False

    def bare(self, value: float) -> str:
        """Write a value without its unit."""
        scaled = value * self.scale
        if abs(scaled) >= LARGE:
            return f"{scaled:,.0f}".replace("-", MINUS)
        return (
            signed(scaled, self.digits) if self.signed else decimal(scaled, self.digits, self.never)
        )

    def value(self, value: float) -> str:
        """Write a value with its unit."""
        return self.bare(value) + self.suffix

    def bare_change(self, change: float) -> str:
        """Write a change with its sign and without its unit."""
        return signed(change * self.scale, self.digits)

    def change(self, change: float) -> str:
        """Write a change with its sign and its unit."""
        return self.bare_change(change) + self.change_suffix

    def interval(self, low: float, high: float) -> str:
        """Write the interval of a value."""
        return f"{self.bare(low)} to {self.bare(high)}{self.suffix}"

    def whole(self, value: float, low: float | None, high: float | None) -> str:
        """Write a value with its interval, where it has one."""
        if low is None or high is None:
            return self.value(value)
        return f"{self.value(value)} ({self.interval(low, high)})"

    def change_interval(self, low: float, high: float) -> str:
        """Write the interval of a change."""
        return f"{self.bare_change(low)} to {self.bare_change(high)}{self.change_suffix}"


SHARE = Unit(100, 1, never=(0.0, 100.0), suffix="%", change_suffix=" points")
RATIO = Unit(1, 2)
RANKING = Unit(1, 3, never=(0.0, 1.0))
GAP = Unit(100, 1, suffix=" points", change_suffix=" points")
AMPLIFICATION = Unit(100, 1, suffix=" points", change_suffix=" points", signed=True)
ODDS = Unit(1, 1)
CORRELATION = Unit(1, 2, signed=True)


def removed(sparsity: float) -> str:
    """Write a sparsity as a percentage, to a hundredth of the weights that are left.

    >>> removed(0.95), removed(0.9500134), removed(0.8051), removed(0.995), removed(0.99995)
    ('95%', '95%', '80.5%', '99.5%', '99.995%')
    """
    percent = 100 * sparsity
    for places in range(MOST_DIGITS):
        if abs(round(percent, places) - percent) <= 0.01 * (100 - percent):
            break
    return f"{round(percent, places):.{places}f}%"


def removal(how: Compression, weights: str = " of weights removed") -> str:
    """Say what was removed: the share of the weights as counted and, if told, of the channels.

    >>> removal(Compression(sparsity=0.5, weights_kept=0.2513, channels_kept=0.5))
    '75% of weights removed (50% of the channels)'
    """
    text = removed(how.removed) + weights
    if how.channels_kept is not None and how.channels_kept < 1:
        text += f" ({removed(round(1 - how.channels_kept, 12))} of the channels)"
    return text


def listing(items: list[str], limit: int = 3) -> str:
    """Join names into a phrase, at most `limit` of them.

    >>> listing(["Bald"]), listing(["Bald", "Young"]), listing(list("abcd"), 2)
    ('Bald', 'Bald and Young', 'a, b and 2 more')
    """
    if len(items) > limit:
        return f"{', '.join(items[:limit])} and {len(items) - limit} more"
    return " and ".join(filter(None, [", ".join(items[:-1]), *items[-1:]]))


def counted(n: int, noun: str) -> str:
    """Write a number of things.

    >>> counted(1, "attribute"), counted(1200, "image"), counted(2, "class")
    ('1 attribute', '1,200 images', '2 classes')
    """
    plural = noun if n == 1 else noun + ("es" if noun.endswith("s") else "s")
    return f"{n:,} {plural}"


def about(n: int) -> str:
    """Write a number that is known roughly, to two digits.

    >>> about(8), about(117), about(50657)
    ('about 8', 'about 120', 'about 51,000')
    """
    return f"about {round(n, -max(len(str(n)) - 2, 0)):,}"


MOST_MORE = 1_000_000
"""Further images that anybody can be asked for."""


def would_tell(more: int, unit: str) -> str:
    """Say how many more images, or clusters, would tell; of more than can be had, that none do.

    >>> would_tell(1234, "images")
    'about 1,200 more images would tell'
    >>> would_tell(13_000_000, "images")
    'it is so near the limit that no number of images would settle it'
    """
    if more > MOST_MORE:
        return f"it is so near the limit that no number of {unit} would settle it"
    return f"{about(more)} more {unit} would tell"


def escape(text: str) -> str:
    r"""Make a text mean nothing but itself in Markdown, on one line.

    It neither mentions people nor links to issues and pages, where a platform would do so.

    >>> print(escape("Big_Nose | <b>*x*</b>"))
    Big_Nose \| \<b\>\*x\*\</b\>
    """
    line = " ".join(text.split())
    line = re.sub(r"([\\`*\[\]<>|~#!&$])", r"\\\1", line)
    line = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", line)
    return re.sub(r"(@|#|://|www\.)(?=\w)", rf"\1{BREAK}", line)
