"""Tables for papers: a LaTeX tabular with booktabs' rules."""

from __future__ import annotations

from collections.abc import Sequence

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
    "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "≤": r"$\leq$", "≥": r"$\geq$",
    "²": r"\textsuperscript{2}", "→": r"$\rightarrow$", "–": "--", "…": r"\ldots{}",
    "\n": " ", "\r": " ", "\t": " ",
}  # fmt: skip
"""What TeX would take for something else, or pdfLaTeX not know."""


def escape(words: str) -> str:
    r"""Write a text so that LaTeX shows it as it is.

    >>> print(escape("a&b_% −0.5"))
    a\&b\_\% $-$0.5
    """
    return "".join(SPECIAL.get(letter, letter) for letter in words)


def tabular(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    r"""Write a table, of whose columns the first, as many as `left`, stand to the left.

    >>> print(tabular(["Method", "AUC"], [["gmp_ri", "0.91"]]))
    % \usepackage{booktabs}
    \begin{tabular}{lr}
    \toprule
    Method & AUC \\
    \midrule
    gmp\_ri & 0.91 \\
    \bottomrule
    \end{tabular}
    <BLANKLINE>
    """
    places = "l" * min(left, len(head)) + "r" * (len(head) - left)
    lines = [r"% \usepackage{booktabs}", rf"\begin{{tabular}}{{{places}}}", r"\toprule", _row(head)]
    lines += [r"\midrule", *map(_row, rows), r"\bottomrule", r"\end{tabular}"]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    """Write a row; a bracket after a line's end would be taken for its argument."""
    escaped = map(escape, cells)
    return " & ".join(f"{{{one}}}" if one.startswith("[") else one for one in escaped) + r" \\"
