import json
import shlex
from types import SimpleNamespace

import pytest

from prunescope import extras
from prunescope.errors import MissingExtraError
from prunescope.extras import install_command


@pytest.fixture
def origin(monkeypatch):
    """Return a function that says what pip noted when it installed prunescope."""

    def note(content):
        text = content if content is None or isinstance(content, str) else json.dumps(content)
        found = SimpleNamespace(read_text=lambda name: text if name == "direct_url.json" else 1 / 0)
        monkeypatch.setattr(extras, "distribution", lambda name: found)

    return note


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "my clone's"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    return folder


@pytest.mark.parametrize("editable", [True, False])
def test_a_clone_is_installed_again_from_its_folder(origin, clone, editable):
    origin({"url": clone.as_uri(), "dir_info": {"editable": editable}})
    words = shlex.split(install_command("export"))
    assert words == ["pip", "install", *(["-e"] if editable else []), f"{clone}[export]"]


def test_a_wheel_is_installed_again_from_its_file(origin, tmp_path):
    wheel = tmp_path / "prunescope-0.1.0-py3-none-any.whl"
    wheel.touch()
    origin({"url": wheel.as_uri(), "archive_info": {}})
    assert install_command("onnx") == f"pip install '{wheel}[onnx]'"


def test_a_repository_is_named_with_its_commit(origin):
    vcs = {"vcs": "git", "commit_id": "abc1", "requested_revision": "main"}
    origin({"url": "https://example.org/p.git", "vcs_info": vcs})
    words = shlex.split(install_command("ray"))
    assert words == ["pip", "install", "prunescope[ray] @ git+https://example.org/p.git@abc1"]


@pytest.mark.parametrize(
    "noted",
    [None, "{", {}, {"url": "file:///no/such/place", "dir_info": {"editable": True}}],
)
def test_otherwise_the_name_will_do(origin, noted):
    origin(noted)
    assert install_command("train") == "pip install 'prunescope[train]'"
    assert str(MissingExtraError("training a model", "train")) == (
        "training a model needs an optional dependency: pip install 'prunescope[train]'"
    )


def test_run_from_its_source(monkeypatch):
    def absent(name):
        raise extras.PackageNotFoundError(name)

    monkeypatch.setattr(extras, "distribution", absent)
    words = shlex.split(install_command("viewer"))
    assert words[:3] == ["pip", "install", "-e"]
    assert words[3] == f"{extras.Path(extras.__file__).parents[2]}[viewer]"


def test_the_hint_works_where_the_tests_run():
    """Wherever this was installed from, pip can read what the hint names."""
    target = shlex.split(install_command("train"))[-1]
    path = extras.Path(target.removesuffix("[train]"))
    assert target == "prunescope[train]" or (path / "pyproject.toml").is_file() or path.is_file()
