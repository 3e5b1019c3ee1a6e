"""The public names: sorted, lazily loaded, all there."""

import ast
import importlib
import sys
from pathlib import Path

import pytest

import prunescope as ps

PACKAGES = [
    "audit",
    "data",
    "errors",
    "explain",
    "forecast",
    "metrics",
    "mitigate",
    "models",
    "predictions",
    "pruning",
    "report",
    "sensitivity",
    "slices",
    "study",
    "training",
    "verdict",
]


def test_all_is_sorted_and_complete():
    assert ps.__all__ == sorted(ps.__all__)
    assert set(ps.__all__) == set(ps._HOME)
    assert set(ps.__all__) < set(dir(ps))


@pytest.mark.parametrize("name", ps.__all__)
def test_every_name_loads_and_is_public_at_home(name):
    home = importlib.import_module(f"prunescope.{ps._HOME[name]}")
    assert getattr(ps, name) is getattr(home, name) or name == ps._HOME[name]
    assert name in home.__all__


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(ps.__file__).read_text(encoding="utf-8"))
    [block] = [n for n in tree.body if isinstance(n, ast.If)]
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == {name: f"prunescope.{home}" for name, home in ps._HOME.items()}


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_list_names_that_exist(package):
    module = importlib.import_module(f"prunescope.{package}")
    assert len(module.__all__) == len(set(module.__all__))
    assert all(hasattr(module, name) for name in module.__all__)
    assert module.__doc__


def test_audit_is_a_package_and_a_function():

    assert ps.audit is sys.modules["prunescope.audit"]
    with pytest.raises(ps.PrunescopeError, match="at least one dense and one compressed"):
        ps.audit([], [])


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'prun'"):
        ps.prun  # noqa: B018


def test_version_is_that_of_the_distribution():
    from importlib.metadata import version

    assert ps.__version__ == version("prunescope")
