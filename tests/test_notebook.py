import polars as pl

from prunescope.notebook import rendered

HOSTILE = "<script>alert(1)</script>"


def test_names_are_escaped_in_text_and_table():
    html = rendered(HOSTILE, pl.DataFrame({HOSTILE: [HOSTILE]}))
    assert "<script" not in html
    assert html.count("&lt;script&gt;") == 3
