"""How a result looks in a notebook: a sentence and a table."""

from __future__ import annotations

from html import escape

import polars as pl


def rendered(text: str, table: pl.DataFrame) -> str:
    """Return HTML: the text, escaped, above the table, which polars escapes.

    Examples
    --------
    >>> rendered("a <b>", pl.DataFrame({"x": [1]}))[:44]
    '<p><strong>a &lt;b&gt;</strong></p><div><sty'
    """
    return f"<p><strong>{escape(text)}</strong></p>{table._repr_html_()}"
