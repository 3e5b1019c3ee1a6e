"""The import arrows point one way, and torch stays where it belongs."""

import ast
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "prunescope"
BASE = ("errors", "extras", "files", "inputs", "notebook", "result_folder", "yaml_source")
ARROWS = (
    "data",
    "runtimes",
    "models",
    "training",
    "pruning",
    "predictions",
    "metrics",
    "audit",
    "verdict",
    "slices",
    "sensitivity",
    "forecast",
    "mitigate",
    "report",
    "explain",
    "viewer",
    "study",
    "integrations",
    "cli",
)
RANK = dict.fromkeys(BASE, 0) | {name: rank for rank, name in enumerate(ARROWS, start=1)}
TENSORS = ("torch", "transformers", "accelerate", "safetensors.torch", "lightning")
WITH_TENSORS = (
    *("models", "training", "pruning", "sensitivity/one_layer", "mitigate/finetune", "explain"),
    "integrations",
)
"""Packages that import these libraries at once, as others do only when asked to."""


def modules():
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts not in {("__init__",), ("__main__",)}:
            yield parts[0], path


def imports(path, *, only_at_import=False):
    """Yield the dotted names that a file imports, with their line."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    if only_at_import:
        for node in ast.walk(tree):
            lazy = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            if lazy or typing:
                skipped |= {id(child) for child in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def test_every_package_has_its_place_in_the_arrows():
    assert {package for package, _ in modules()} <= RANK.keys()


@pytest.mark.parametrize("package", sorted({package for package, _ in modules()}))
def test_imports_point_backward_only(package):
    wrong = [
        f"{path.relative_to(SOURCE)}:{line} imports {name}"
        for owner, path in modules()
        if owner == package
        for name, line in imports(path)
        if name.startswith("prunescope.") and RANK.get(name.split(".")[1], 0) > RANK[package]
    ]
    assert not wrong


def test_an_arrow_that_points_back_is_found(tmp_path):
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from prunescope.report import write_report\n")
    assert list(imports(bad)) == [("prunescope.report.write_report", 2)]
    assert RANK["report"] > RANK["metrics"]


def test_tensor_libraries_are_imported_in_their_packages_alone():
    wrong = [
        f"{path.relative_to(SOURCE)}:{line} imports {name}"
        for _, path in modules()
        if not has_tensors(path)
        for name, line in imports(path, only_at_import=True)
        if name.startswith(TENSORS) or has_tensors(SOURCE.parent.joinpath(*name.split(".")))
    ]
    assert not wrong


def has_tensors(path):
    return any(path.is_relative_to(SOURCE / package) for package in WITH_TENSORS)


WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers", "accelerate"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def run_without_torch(code, *arguments):
    script = textwrap.dedent(WITHOUT_TORCH) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_import_and_help_work_without_torch():
    done = run_without_torch(
        """
        import prunescope
        from prunescope.cli import main
        assert prunescope.Predictions and callable(prunescope.audit)
        sys.argv = ["prunescope", "--help"]
        main()
        """
    )
    assert done.returncode == 0, done.stderr
    assert "audit" in done.stdout


def test_audit_and_report_work_without_torch(tmp_path, answers):
    dense, sparse = answers(tmp_path)
    out = tmp_path / "out"
    done = run_without_torch(
        """
        from prunescope.cli import main
        sys.argv = ["prunescope", *sys.argv[1:]]
        main()
        """,
        "audit", dense, "--compressed", sparse, "-o", out, "--replicates", 100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {"audit.parquet", "audit.json", "report.html"} <= {p.name for p in out.iterdir()}


def test_gate_works_without_torch(tmp_path, answers):
    dense, sparse = answers(tmp_path)
    done = run_without_torch(
        """
        from prunescope.cli import main
        dense, sparse, folder = sys.argv[1:]
        policy = folder + "/policy.yaml"
        for command in (
            ["audit", dense, "--compressed", sparse, "-o", folder, "--replicates", "100"],
            ["policy", "init", folder, "-o", policy],
            ["gate", folder, "--policy", policy],
        ):
            sys.argv = ["prunescope", *command]
            try:
                main()
            except SystemExit as ended:
                assert (ended.code or 0) == (command[0] == "gate"), ended.code
        """,
        dense, sparse, tmp_path / "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "gate not passed by 1 of 1 model: sparse" in done.stdout


def test_training_without_torch_says_what_to_install(tmp_path):
    done = run_without_torch(
        """
        from prunescope.cli import main
        sys.argv = ["prunescope", "train", "-o", sys.argv[1]]
        main()
        """,
        tmp_path / "dense",
    )
    assert done.returncode == 2
    assert re.search(r"pip install .*\[train\]", done.stderr)
    assert "Traceback" not in done.stderr


def test_help_is_light():
    """Heavy libraries are not touched to print help: this, not a stopwatch, is what is tested."""
    code = """
import sys
from prunescope.cli import main
sys.argv = ["prunescope", "--help"]
try:
    main()
except SystemExit:
    pass
libraries = {"torch", "transformers", "numpy", "polars", "scipy", "altair", "pydantic"}
heavy = libraries & sys.modules.keys()
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_audit_with_its_report_does_without_what_loads_slowly():
    """Each of these takes longer to load than a small audit takes to compute."""
    code = """
import sys
import prunescope.audit, prunescope.cli.audit, prunescope.cli.tables, prunescope.report
libraries = {"torch", "sklearn", "pandas", "vl_convert"}
libraries |= {f"scipy.{name}" for name in ("stats", "optimize", "cluster", "spatial", "linalg")}
heavy = libraries & sys.modules.keys()
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
