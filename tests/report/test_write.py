import pytest

from prunescope.errors import ConfigError, DataError
from prunescope.report import FORMATS, Report, build, write_report


@pytest.fixture(scope="module")
def report(harmed):
    return build(harmed)


def test_files_are_written_in_the_order_of_the_formats(report, tmp_path):
    paths = write_report(report, tmp_path / "new", formats=("md", "html", "json"))
    assert [path.name for path in paths] == ["report.md", "report.html", "report.json"]
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(p.name for p in paths)
    assert Report.model_validate_json(paths[2].read_text(encoding="utf-8")) == report
    assert paths[0].read_text(encoding="utf-8") == FORMATS["md"](report)


def test_by_default_the_page_alone(report, tmp_path):
    (path,) = write_report(report, tmp_path)
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_an_unknown_format_is_refused_before_anything_is_written(report, tmp_path):
    with pytest.raises(ConfigError, match=r"unknown report format 'htm': did you mean html\?"):
        write_report(report, tmp_path, formats=("md", "htm"))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_renderer_leaves_the_old_files(report, tmp_path, monkeypatch):
    (path,) = write_report(report, tmp_path, formats=("md",))
    old = path.read_bytes()

    def fail(_report):
        raise RuntimeError("no")

    monkeypatch.setitem(FORMATS, "json", fail)
    with pytest.raises(RuntimeError):
        write_report(report, tmp_path, formats=("md", "json"))
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["report.md"]


def test_a_folder_that_cannot_be_made(report, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        write_report(report, tmp_path / "file")
