import os
import subprocess
import sys
import warnings

import pytest

from prunescope.errors import PrunescopeWarning
from prunescope.models.quiet import hide_if_broken

BROKEN = "raise RuntimeError('operator torchvision::nms does not exist')\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return what writes a package, which is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setitem(sys.modules, f"{name}.kept", None)
        return name

    yield write
    for name in ("prunescope_broken", "prunescope_whole", "prunescope_lacking"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("prunescope_broken", BROKEN, "RuntimeError: operator torchvision::nms does not exist"),
        ("prunescope_lacking", "import prunescope_nowhere\n", "No module named"),
    ],
)
def test_a_broken_package_is_as_good_as_none(package, name, text, reason):
    with pytest.warns(PrunescopeWarning, match=reason):
        hide_if_broken(package(name, text))
    with pytest.raises(ImportError):
        __import__(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hide_if_broken(name)  # told once


def test_a_package_that_works_stays(package):
    hide_if_broken(package("prunescope_whole", "answer = 42\n"))
    assert __import__("prunescope_whole").answer == 42


def test_a_torchvision_that_does_not_fit_torch_is_one_line(tmp_path):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(BROKEN)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    code = (
        "from prunescope.models import build_model; build_model('resnet_small', 'a', image_size=8)"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "always::prunescope.errors.PrunescopeWarning", "-c", code],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("torchvision is installed and cannot be imported") == 1
    assert "Traceback" not in ran.stderr
