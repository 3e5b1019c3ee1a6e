"""The gallery: each script of examples/gallery, run, as a page of its story, code and output.

The scripts are in Jupytext's percent format: `# %% [markdown]` begins a comment that is text,
`# %%` code.
"""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

SCRIPTS = Path(__file__).parents[2] / "examples" / "gallery"
MARK = "# %%"
TOP = """# Gallery

Short scripts that run in seconds, on data that they make. Each was run when this site was built:
what stands below the code is what it printed. They lie in `examples/gallery`.
"""


def cells(script: str) -> Iterator[tuple[bool, str]]:
    """Return the cells of a script in order: whether it is text, and what it says."""
    for part in f"\n{script}".split(f"\n{MARK}")[1:]:
        kind, _, body = part.partition("\n")
        is_text = kind.strip() == "[markdown]"
        lines = body.strip().splitlines()
        yield is_text, "\n".join(line[2:] for line in lines) if is_text else "\n".join(lines)


def run(script: str) -> Iterator[str]:
    """Run a script, cell by cell, and return its page piece by piece."""
    space: dict[str, object] = {"__name__": "__main__"}
    for is_text, body in cells(script):
        if is_text:
            yield body
            continue
        yield f"```python\n{body}\n```"
        printed = io.StringIO()
        with redirect_stdout(printed), redirect_stderr(io.StringIO()):
            exec(compile(body, "<cell>", "exec"), space)
        if printed.getvalue():
            yield f"```{{.text .output}}\n{printed.getvalue().rstrip()}\n```"


def page_of(path: Path) -> str:
    """Run a script in an empty folder and return its page."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return "\n\n".join(run(path.read_text(encoding="utf-8")))


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, and the one that lists them."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    top = [TOP]
    [pages] = [entry["Gallery"] for entry in config.nav or [] if "Gallery" in entry]
    for name in (Path(page).name for page in pages[1:]):
        text = page_of((SCRIPTS / name).with_suffix(".py"))
        title, *_ = text.removeprefix("# ").partition("\n")
        top.append(f"- [{title}]({name})")
        files.append(File.generated(config, f"gallery/{name}", content=text))
    files.append(File.generated(config, "gallery/index.md", content="\n".join(top)))
    return files
