"""The scripts of the gallery run on their own data, and find what they say is there."""

import importlib.util
import re
from pathlib import Path

import pytest

GALLERY = Path(__file__).parents[1] / "examples" / "gallery"
SCRIPTS = sorted(path.stem for path in GALLERY.glob("*.py"))
EXTRAS = {"onnx_int8": "onnxruntime", "hugging_face": "transformers", "study": "torch"}
"""What a script needs beyond the core."""

FOUND = {
    "two_csvs": r"^Do not ship\.",
    "several_classes": r"int2 +┆ digit \d",
    "slices": r"camera roof and hour from 1[78]",
    "budget": r"50%\n +Ship\n(.*\n)*90%\n +Cannot tell\n",
    "onnx_int8": r"[\d.]+% of the answers differ",
    "hugging_face": r"90\.0% of the weights are gone",
    "study": r"6 runs, all finished: True",
}


def text(name):
    return (GALLERY / f"{name}.py").read_text("utf-8")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SCRIPTS)
def test_it_runs_and_finds_what_it_says(name, tmp_path, monkeypatch, capsys):
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name])
    monkeypatch.chdir(tmp_path)
    exec(compile(text(name), name, "exec"), {"__name__": "__main__"})
    assert re.search(FOUND[name], capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_is_short_and_begins_with_its_title(name):
    assert text(name).startswith("# %% [markdown]\n# # ")
    assert len(text(name).splitlines()) <= 60


def test_the_site_shows_every_script():
    nav = (GALLERY.parents[1] / "mkdocs.yml").read_text("utf-8")
    assert sorted(re.findall(r"- gallery/(\w+)\.md", nav)) == sorted([*SCRIPTS, "index"])


def test_cells_of_text_and_code_take_turns():
    pytest.importorskip("mkdocs")
    path = Path(__file__).parents[1] / "tools" / "site" / "gallery.py"
    spec = importlib.util.spec_from_file_location("site_gallery", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    script = "# %% [markdown]\n# # Title\n#\n# Words.\n\n# %%\nx = 1\nprint(x)\n# %%\nx += 1\n"
    assert list(module.run(script)) == [
        "# Title\n\nWords.",
        "```python\nx = 1\nprint(x)\n```",
        "```{.text .output}\n1\n```",
        "```python\nx += 1\n```",
    ]
