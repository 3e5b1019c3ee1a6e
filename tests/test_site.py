"""What the site adds to the pages in docs/; that all links hold, `make site` checks."""

import importlib.util
import re
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer.main

from prunescope.cli.app import app

pytest.importorskip("mkdocs")

from mkdocs.exceptions import PluginError

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / "tools" / "site"


def hook(name):
    spec = importlib.util.spec_from_file_location(f"site_{name}", TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("docs/mitigate/route.md", "mitigate/route.md"),
        ("docs/images/report.png", "images/report.png"),
        ("docs/results/synthetic/tables", "repository/docs/results/synthetic/tables.md"),
        ("README.md", "index.md"),
        ("CHANGELOG.md", "repository/CHANGELOG.md"),
        ("examples/gallery", "gallery/index.md"),
        ("examples/gallery/study.py", "gallery/study.md"),
        ("src/prunescope/errors.py", "repository/src/prunescope/errors.py.md"),
        ("benchmarks/results/coverage.csv", "repository/benchmarks/results/coverage.csv"),
        ("LICENSE", "repository/LICENSE.md"),
    ],
)
def test_where_a_file_is_shown(path, page):
    assert hook("repository").page_of(path) == page


def test_links_are_followed_from_where_they_stand():
    text = (
        "[a](../verdict.md#x) [b](../../src/prunescope/errors.py) [c](https://a.b/c.md) [d](#here) "
        "![e](../images/report.png) [f](no-such.md)"
    )
    assert hook("repository").targets("docs/story/audit.md", text) == {
        "../verdict.md": "docs/verdict.md",
        "../../src/prunescope/errors.py": "src/prunescope/errors.py",
        "../images/report.png": "docs/images/report.png",
    }


def test_a_link_out_of_docs_leads_to_the_page_that_shows_the_file():
    page = SimpleNamespace(file=SimpleNamespace(src_uri="story/audit.md"), meta={})
    config = SimpleNamespace(extra={"sources": {"story/audit.md": "docs/story/audit.md"}})
    text = "[errors](../../src/prunescope/errors.py#L3), [verdict](../verdict.md)"
    moved = hook("repository").on_page_markdown(text, page, config, None)
    assert moved == (
        "[errors](../repository/src/prunescope/errors.py.md#L3), [verdict](../verdict.md)"
    )


@pytest.mark.parametrize(
    "asks",
    [
        '<script src="https://cdn.example/x.js"></script>',
        '<link rel="stylesheet" href="https://fonts.example/css">',
        '<p><img alt="" src="http://example.org/x.png"></p>',
    ],
)
def test_a_page_that_asks_another_machine_is_refused(asks):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="story/audit.md"))
    check = hook("repository").on_post_page
    assert check('<a href="https://example.org">', page, None)
    with pytest.raises(PluginError, match=r"story/audit\.md asks another machine"):
        check(asks, page, None)


def test_every_command_and_option_is_told():
    text = "\n".join(hook("commands").commands("prunescope", typer.main.get_command(app)))
    for name, command in typer.main.get_command(app).commands.items():
        for inner, one in getattr(command, "commands", {"": command}).items():
            part = text.split(f"## {f'{name} {inner}'.strip()}\n")[1].split("\n## ")[0]
            options = [option for one in one.params for option in one.opts if option[0] == "-"]
            assert options
            assert all(option in part for option in options)
            assert "<bool>" not in part
            assert one.help.splitlines()[0] in part


RESULTS = [
    path
    for folder in (ROOT / "docs" / "results", ROOT / "benchmarks" / "results")
    for path in sorted(folder.rglob("*.md"))
]


@pytest.mark.parametrize("page", RESULTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_results_say_when_they_were_seen_and_with_which_version(page):
    last = page.read_text(encoding="utf-8").rstrip().splitlines()[-1]
    told = re.fullmatch(r"Seen on (\d{4}-\d\d-\d\d) with prunescope \d+\.\d+\.\d+\.", last)
    assert told, f"let {page.name} end with 'Seen on 2026-11-30 with prunescope 0.1.0.'"
    date.fromisoformat(told[1])
