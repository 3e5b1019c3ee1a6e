"""The distributions: what is in them, and that they work where nothing else is installed."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
TOP = [
    one.lstrip("/") for one in PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
]
CACHES = {"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".DS_Store"}
PLANTED = [
    *("local/notes.md", "out/run.json", "demo/report.html", "site/index.html", ".ci/run"),
    *("notes.txt", "faces.parquet", ".venv/pyvenv.cfg", "dist/old.whl", "images/000001.jpg"),
    *("src/prunescope/__pycache__/cli.cpython-311.pyc", "tests/.DS_Store", ".pytest_cache/README"),
]
"""What lies about where people work."""

LARGEST = 1_000_000
"""Bytes of a file."""

RASTER = {".bmp", ".gif", ".jpeg", ".jpg", ".npy", ".parquet", ".png", ".webp"}
"""Suffixes of files that may hold images."""


def run(*command, **options):
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=120, **options
    )


def files_below(folder):
    return {
        path.relative_to(folder.parent).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not CACHES & set(path.parts)
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build both as a release would: the source distribution, and the wheel from that."""
    tree = tmp_path_factory.mktemp("tree")
    for name in [*TOP, "pyproject.toml", "README.md", "LICENSE", ".gitignore"]:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns(*CACHES))
        else:
            shutil.copy(ROOT / name, tree / name)
    for name in PLANTED:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("nobody's business")
    out = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, tree)
    assert done.returncode == 0, done.stdout + done.stderr
    [sdist], [wheel] = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def metadata(built):
    with zipfile.ZipFile(built[1]) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(wheel.read(name).decode())


def test_indexes_would_take_them(built):
    done = run(sys.executable, "-m", "twine", "check", "--strict", *built)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


def test_the_wheel_is_the_package_and_nothing_else(built):
    with zipfile.ZipFile(built[1]) as wheel:
        names = set(wheel.namelist())
    own = {name for name in names if ".dist-info/" not in name}
    assert own == files_below(ROOT / "src" / "prunescope")
    assert {"prunescope/py.typed", "prunescope/report/templates/report.css"} <= own
    about = {name.partition("/")[2] for name in names - own}
    assert about == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}


def test_the_source_distribution_has_what_tests_and_docs_need_and_nothing_else(built):
    with tarfile.open(built[0]) as sdist:
        members = [member for member in sdist.getmembers() if not member.isdir()]
    assert all(member.isreg() for member in members)
    sizes = {member.name.partition("/")[2]: member.size for member in members}
    expected = set()
    for name in TOP:
        expected |= files_below(ROOT / name) if (ROOT / name).is_dir() else {name}
    made = {"PKG-INFO", "LICENSE", "README.md", "pyproject.toml", ".gitignore"}
    assert sizes.keys() == expected | made
    assert max(sizes.values()) < LARGEST, max(sizes, key=sizes.get)
    rasters = {name for name in sizes if PurePosixPath(name).suffix.lower() in RASTER}
    assert rasters == {"docs/images/report.png"}  # of drawn faces


def test_real_faces_are_in_no_result():
    told = [path for path in (ROOT / "docs" / "results").rglob("*") if path.is_file()]
    assert told
    for path in told:
        if path.relative_to(ROOT / "docs" / "results").parts[0] != "synthetic":
            assert b"data:image/" not in path.read_bytes(), path


@pytest.fixture(scope="module")
def bare(built, metadata, tmp_path_factory):
    """Return the programs of an environment that has the wheel and what it requires, no extras."""
    home = tmp_path_factory.mktemp("bare")
    assert run(sys.executable, "-m", "venv", "--without-pip", home).returncode == 0
    python = home / "bin" / "python"
    done = run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps",
               "--no-index", "--no-compile", built[1])  # fmt: skip
    assert done.returncode == 0, done.stderr
    [packages] = home.glob("lib/python*/site-packages")
    for name in required(metadata.get_all("Requires-Dist")):
        files = distribution(name).files or ()
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            (packages / top).symlink_to(distribution(name).locate_file(top))
    return home / "bin"


def required(requirements):
    """Return the names of all that is installed for requirements, and for theirs."""
    found, left = set(), [Requirement(text) for text in requirements]
    while left:
        one = left.pop()
        name = canonicalize_name(one.name)
        if name not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
            found.add(name)
            left += [Requirement(text) for text in distribution(name).requires or ()]
    return found


def test_it_audits_where_nothing_else_is_installed(bare, answers, tmp_path):
    env = {"HOME": str(tmp_path), "PATH": str(bare)}
    lacking = run(bare / "python", "-c", "import torch", env=env)
    assert "No module named 'torch'" in lacking.stderr
    program = bare / "prunescope"
    assert run(program, "--version", env=env).stdout.strip() == distribution("prunescope").version

    dense, sparse = answers(tmp_path)
    audit = run(program, "audit", dense, "--compressed", sparse, "-o", tmp_path / "audit",
                "--replicates", 50, env=env)  # fmt: skip
    assert audit.returncode == 0, audit.stderr
    assert "</html>" in (tmp_path / "audit" / "report.html").read_text(encoding="utf-8")

    training = run(program, "train", "-o", tmp_path / "dense", env=env)
    assert training.returncode == 2
    assert re.search(r"pip install '?.*prunescope.*\[train\]", training.stderr)
    assert "Traceback" not in training.stderr


def test_the_version_stands_in_one_place(metadata):
    assert PROJECT["dynamic"] == ["version"]
    assert "version" not in PROJECT
    source = (ROOT / PYPROJECT["tool"]["hatch"]["version"]["path"]).read_text(encoding="utf-8")
    assert metadata["Version"] == re.search(r'__version__ = "(.+)"', source)[1]


def test_extras_that_pages_and_messages_name_are_those_there_are():
    extras = set(PROJECT["optional-dependencies"])
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    prose = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    lists = re.findall(r"(?:prunescope|'\.)\[([a-z,]+)\]", prose + source)
    named = {name for one in lists for name in one.split(",")}
    named |= set(re.findall(r"[Ee]xtra `(\w+)`", prose))
    named |= set(re.findall(r'MissingExtraError\([^)]*"(\w+)"\)', source))
    assert named <= extras
    tour = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")
    table = set(re.findall(r"^\| `(\w+)` \|", tour, flags=re.M))
    assert table == extras - {"dev"}
    [everything] = PROJECT["optional-dependencies"]["all"]
    assert Requirement(everything).extras == table - {"all", "docs", "onnx"}


def test_pythons_are_named_that_tests_run_on():
    prefix = "Programming Language :: Python :: "
    named = [one.removeprefix(prefix) for one in PROJECT["classifiers"] if prefix in one]
    assert f"{sys.version_info.major}.{sys.version_info.minor}" in named
    assert PROJECT["requires-python"] == f">={min(named[1:], key=lambda one: int(one[2:]))}"
    assert named[0] == "3 :: Only"
