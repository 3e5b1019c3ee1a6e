"""Do the tests find faults? Random small changes to every package, and whether its tests fail.

    python benchmarks/mutations.py [--each 3] [--seed 0]

In each package of src/prunescope as many places are drawn as asked for, of all those where a small
change can be made inside a function: a comparison (< for <=, == for !=), + for -, * for /, and for
or, a condition for its opposite, a number for the next. The change is made in a copy of the tree;
then the package's doctests and its folder of tests are run until the first failure, the tests that
are named as the file first. Errors, assertions and what only type checkers read are left out. Who
survives is shown with its line: some mean the same.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from seen import write_page

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks" / "results" / "mutations.md"
SOURCE = Path("src") / "prunescope"
SWAPS = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
    ast.And: ast.Or, ast.Or: ast.And, ast.In: ast.NotIn, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
MOST_SECONDS = 900


@dataclass(frozen=True)
class Place:
    """A node of a file that can be changed."""

    path: Path
    line: int
    column: int
    kind: str


class Finder(ast.NodeVisitor):
    """Collects the nodes that can be changed, in the order in which they are visited."""

    def __init__(self):
        self.found, self.depth = [], 0

    def visit_FunctionDef(self, node):
        """Look at its body: not at defaults and annotations."""
        self.depth += 1
        for statement in node.body:
            self.visit(statement)
        self.depth -= 1

    def visit_Raise(self, node):
        """Leave out what is only said."""

    visit_Assert = visit_JoinedStr = visit_AnnAssign = visit_Raise  # noqa: N815

    def generic_visit(self, node):
        """Keep what can be changed, and look inside."""
        if self.depth and changed(node) is not None:
            self.found.append(node)
        super().generic_visit(node)


def changed(node):
    """Return the node as it would be, or None if it is of no kind that is changed."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPS:
        return ast.Compare(node.left, [SWAPS[type(node.ops[0])]()], node.comparators)
    if isinstance(node, ast.BinOp) and type(node.op) in SWAPS and not _of_text(node):
        return ast.BinOp(node.left, SWAPS[type(node.op)](), node.right)
    if isinstance(node, ast.BoolOp):
        return ast.BoolOp(SWAPS[type(node.op)](), node.values)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return node.operand
    if isinstance(node, ast.IfExp):
        return ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return ast.Constant(node.value + 1)
    return None


def _of_text(node):
    """Tell whether an operation is on text or paths, where another one is an error at once."""
    return any(
        isinstance(side, ast.JoinedStr) or isinstance(getattr(side, "value", None), str)
        for side in (node.left, node.right)
    )


def places(package):
    """Return all places of a package."""
    found = []
    for path in sorted((ROOT / SOURCE / package).rglob("*.py")):
        finder = Finder()
        finder.visit(ast.parse(path.read_text(encoding="utf-8")))
        found += [
            Place(path.relative_to(ROOT), node.lineno, node.col_offset, type(node).__name__)
            for node in finder.found
        ]
    return found


def mutate(text, place):
    """Return a file's text with one node changed, and the changed expression's two forms."""
    finder = Finder()
    finder.visit(ast.parse(text))
    [node] = [
        node for node in finder.found
        if (node.lineno, node.col_offset, type(node).__name__)
        == (place.line, place.column, place.kind)
    ][:1]  # fmt: skip
    before, after = ast.unparse(node), ast.unparse(changed(node))
    lines = text.encode().splitlines(keepends=True)
    start = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
    end = sum(map(len, lines[: node.end_lineno - 1])) + node.end_col_offset
    whole = text.encode()
    return (whole[:start] + f"({after})".encode() + whole[end:]).decode(), before, after


def tests_of(package, path):
    """Return what is run for a file of a package, in order."""
    named = sorted((ROOT / "tests" / package).rglob(f"test_*{path.stem.strip('_')}*.py"))
    return [str(path), *(str(one.relative_to(ROOT)) for one in named), str(SOURCE / package),
            f"tests/{package}"]  # fmt: skip


def run(tree, package, path):
    """Run the tests for a file until one fails; return whether one did, and the seconds."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    began = time.perf_counter()
    try:
        done = subprocess.run(
            [*command, *tests_of(package, path)],
            cwd=tree, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"},
            timeout=MOST_SECONDS,
        )  # fmt: skip
        failed = done.returncode != 0
    except subprocess.TimeoutExpired:
        failed = True
    return failed, time.perf_counter() - began


def main():
    """Draw, change, run, write."""
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--each", type=int, default=3, help="changes to each package")
    arguments.add_argument("--seed", type=int, default=0)
    chosen = arguments.parse_args()
    packages = sorted(path.parent.name for path in (ROOT / SOURCE).glob("*/__init__.py"))
    head = "| package | line | was | became | found | s |"
    lines = [head, "|---|---|---|---|---|---|"]
    n_killed = n = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        left_out = shutil.ignore_patterns(".venv", ".git", "local", "out", "demo", "site")
        shutil.copytree(ROOT, tree, ignore=left_out)
        for package in packages:
            rng = random.Random(f"{chosen.seed} {package}")
            for place in rng.sample(places(package), chosen.each):
                target = tree / place.path
                text = target.read_text(encoding="utf-8")
                mutant, before, after = mutate(text, place)
                target.write_text(mutant, encoding="utf-8")
                killed, seconds = run(tree, package, place.path)
                target.write_text(text, encoding="utf-8")
                n, n_killed = n + 1, n_killed + killed
                where = f"{place.path.relative_to(SOURCE)}:{place.line}"
                forms = " | ".join(f"`{form[:60]}`".replace("|", "∣") for form in (before, after))
                found = "yes" if killed else "**no**"
                lines.append(f"| {package} | {where} | {forms} | {found} | {seconds:.0f} |")
                print(lines[-1], flush=True)
                about = f"{n_killed} of {n} changes were found; seed {chosen.seed}."
                write_page(OUT, "\n".join([about, "", *lines]))


if __name__ == "__main__":
    main()
