from xml.etree import ElementTree

import pytest

from prunescope.errors import ConfigError
from prunescope.report import build, write_figures


@pytest.fixture(scope="module")
def report(seeds):
    return build(seeds)


def test_each_chart_is_a_file_of_its_own(report, tmp_path):
    paths = write_figures(report, tmp_path, ("svg", "png"))
    names = [path.relative_to(tmp_path).as_posix() for path in paths]
    assert names == [
        f"figures/{name}.{kind}"
        for name in ("trade-off", "sparsity", "links")
        for kind in ("svg", "png")
    ]
    for path in paths:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
        else:
            root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
            assert "var(" not in path.read_text(encoding="utf-8")
            assert float(root.get("width")) > 300
    words = paths[0].read_text(encoding="utf-8")
    assert "Worst fading of a rare answer, against weights kept, %" in words
    assert "gmp 0.9 (3 seeds)" in words


def test_what_cannot_be_drawn_is_no_file(few, single, tmp_path):
    names = {path.name for path in write_figures(build(few), tmp_path, ("svg",))}
    assert "trade-off.svg" not in names
    names = {path.name for path in write_figures(build(single), tmp_path, ("svg",))}
    assert "sparsity.svg" not in names


def test_hostile_names_are_text(hostile, tmp_path):
    for path in write_figures(build(hostile), tmp_path, ("svg",)):
        assert "<img" not in path.read_text(encoding="utf-8")
        ElementTree.fromstring(path.read_text(encoding="utf-8"))


def test_an_unknown_kind_is_refused_before_anything_is_written(report, tmp_path):
    with pytest.raises(ConfigError, match="unknown kind of figure 'gif': choose one of svg, png"):
        write_figures(report, tmp_path, ("svg", "gif"))
    assert list(tmp_path.iterdir()) == []
