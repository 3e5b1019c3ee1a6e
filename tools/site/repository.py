"""Pages of the site that lie elsewhere in the repository, so that a link to a file works here too.

The README is the first page. A link out of docs/ leads to a page that shows that file: Markdown as
it is, program text as text, a folder as the list of its files; other files are copied.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
ENTRIES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
HOMES = {"README.md": "index.md", "examples/gallery": "gallery/index.md"}
"""Files of the repository that have a page of their own name."""

CODE = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".c": "c", ".sh": "sh", "": "text"}
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)(?=[)#\s])")
ELSEWHERE = re.compile(r'<(?:script|img|iframe)[^>]* src="https?:|<link[^>]* href="https?:')


def page_of(path: str) -> str:
    """Return the page that shows a file of the repository."""
    if path.startswith("docs/") and not (ROOT / path).is_dir():
        return path.removeprefix("docs/")
    if path.startswith("examples/gallery/"):
        return path.removeprefix("examples/").replace(".py", ".md")
    shown = path if Path(path).suffix not in CODE else f"{path}.md"
    return HOMES.get(path, f"repository/{shown}")


def targets(path: str, text: str) -> dict[str, str]:
    """Return where in the repository the links of one of its files lead: link → path."""
    folder = posixpath.dirname(path)
    found = {link: posixpath.normpath(posixpath.join(folder, link)) for link in LINK.findall(text)}
    return {link: there for link, there in found.items() if (ROOT / there).exists()}


def content(path: str) -> str:
    """Return a file of the repository as Markdown."""
    file = ROOT / path
    if file.is_dir():
        names = sorted(one.name for one in file.iterdir() if not one.name.startswith((".", "_")))
        return "\n".join([f"# {path}", "", *(f"- [{name}]({file.name}/{name})" for name in names)])
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return text
    return f"# {path}\n\n``````{CODE[file.suffix]}\n{text}\n``````\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for every file outside docs/ that a page links to, and for what those link to."""
    texts = {f"docs/{one.src_uri}": one.content_string for one in files.documentation_pages()}
    waiting = {path: content(path) for path in ENTRIES} | texts
    sources = config.extra["sources"] = {page_of(path): path for path in waiting}
    while waiting:
        path, text = waiting.popitem()
        if path not in texts:
            files.append(File.generated(config, page_of(path), content=text))
        for there in targets(path, text).values():
            page = page_of(there)
            if page in sources or not page.startswith("repository/"):
                continue
            sources[page] = there
            if page.endswith(".md"):
                waiting[there] = content(there)
            else:
                files.append(File.generated(config, page, abs_src_path=str(ROOT / there)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links that leave docs/ lead to the pages that show the files."""
    here = page.file.src_uri
    path = config.extra["sources"].get(here)
    if here == "index.md":
        page.meta["hide"] = ["navigation"]
    if here.startswith(("repository/", "results/")):
        page.meta["search"] = {"boost": 0.3}
    if path is None:
        return markdown
    known = targets(path, markdown)

    def moved(match: re.Match[str]) -> str:
        there = known.get(match[0])
        if there is None:
            return match[0]
        return posixpath.relpath(page_of(there), posixpath.dirname(here))

    return LINK.sub(moved, markdown)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Refuse a page that would ask another machine for something."""
    if found := ELSEWHERE.search(output):
        raise PluginError(f"{page.file.src_uri} asks another machine: {found[0]}")
    return output
