"""Where images lie: principal components, UMAP in its own process, and what is kept of it."""

import contextlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from prunescope.errors import ConfigError, DataError
from prunescope.viewer import layouts as module
from prunescope.viewer import unfold
from prunescope.viewer.layouts import PCA, SIDE, UMAP, Layouts, principal, quantised


def drawn(n=200, d=7, seed=0):
    rng = np.random.default_rng(seed)
    return (5 + rng.normal(size=(n, d)) * np.arange(1, d + 1)).astype(np.float32)


def components(values, n):
    """Return principal components by a singular value decomposition."""
    centred = values.astype(float) - values.mean(axis=0, dtype=float)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:n]
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    return centred @ axes.T


@pytest.mark.parametrize(("n", "d"), [(200, 7), (9, 30), (700, 300), (60, 1200), (2, 1200)])
def test_principal_components_are_those_of_a_singular_value_decomposition(n, d):
    values = drawn(n, d)
    found = principal(values, 2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, components(values, 2), atol=2e-4 * np.abs(found).max())


def test_of_many_images_some_are_fitted_on_and_all_are_projected(monkeypatch):
    monkeypatch.setattr(module, "FITTED", 100)
    monkeypatch.setattr(module, "AT_ONCE", 33)
    values = drawn(250)
    axes = np.linalg.lstsq(
        values[::3] - values[::3].mean(axis=0), components(values[::3], 2), rcond=None
    )[0]
    expected = (values - values[::3].mean(axis=0)) @ axes
    np.testing.assert_allclose(principal(values, 2), expected, atol=1e-3)


@pytest.mark.parametrize(
    "values", [np.ones((5, 3)), np.ones((1, 4)), np.arange(6)[:, None], np.zeros((3, 1))]
)
def test_images_that_are_all_alike_or_on_a_line_have_places(values):
    places = quantised(principal(values.astype(np.float32), 2))
    assert places.shape == (len(values), 2)
    assert set(places[:, 1].tolist()) == {(SIDE + 1) // 2}


def test_places_keep_the_shape():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(50, 2)) * [3, 1]
    places = quantised(points).astype(float)
    assert (places[:, 0].min(), places[:, 0].max()) == (0, SIDE)
    apart, true = (
        np.linalg.norm(one[:, None] - one[None], axis=-1).ravel() for one in (places, points)
    )
    np.testing.assert_allclose(apart, true / np.ptp(points[:, 0]) * SIDE, atol=2)


def test_the_longer_layout_comes_when_it_is_ready_and_is_kept(tmp_path):
    values, kept, gate, asked = drawn(), tmp_path / "map.safetensors", threading.Event(), []

    def unfolds(given):
        asked.append(given.shape)
        assert gate.wait(10)
        return given[:, 1:3]

    layouts = Layouts(lambda: values, "drawn", kept, unfolds)
    assert (layouts.best, layouts.state(UMAP), layouts.waits) == (PCA, "waiting", False)
    layouts.begin()
    layouts.begin()
    assert (layouts.best, layouts.state(UMAP), layouts.waits) == (PCA, "under way", True)
    with pytest.raises(DataError, match="is being made: try again in a while"):
        layouts.get(UMAP)
    gate.set()
    layouts.wait(10)
    found = layouts.get(UMAP)
    assert (layouts.best, layouts.state(UMAP)) == (UMAP, "ready")
    assert asked == [(200, 50)]
    assert np.array_equal(found.places, quantised(principal(values, 50)[:, 1:3]))

    again = Layouts(lambda: values, "drawn", kept, unfolds)
    again.begin()
    assert again.get(UMAP).digest == found.digest
    assert len(asked) == 1

    other = Layouts(lambda: drawn(seed=1), "drawn", kept, unfolds)
    other.begin()
    other.wait(10)
    assert len(asked) == 2
    assert other.get(UMAP).digest != found.digest
    assert other.get(PCA).digest != layouts.get(PCA).digest


@pytest.mark.parametrize("damage", [b"", b"not a file of numbers" * 9, b"\xff" * 8])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    kept = tmp_path / "map.safetensors"
    kept.write_bytes(damage)
    layouts = Layouts(drawn, "drawn", kept, lambda given: given[:, :2])
    layouts.begin()
    layouts.wait(10)
    assert layouts.state(UMAP) == "ready"
    assert unfold.load(kept, layouts._key, 200) is not None
    assert unfold.load(kept, layouts._key, 199) is None
    assert unfold.load(kept, "other", 200) is None


def test_where_nothing_can_be_kept_the_layout_is_there(tmp_path):
    (tmp_path / "map").mkdir()
    layouts = Layouts(drawn, "drawn", tmp_path / "map", lambda given: given[:, :2])
    layouts.begin()
    layouts.wait(10)
    assert layouts.state(UMAP) == "ready"


def test_a_failure_is_told_and_not_tried_again():
    def fails(given):
        raise DataError("the map by UMAP could not be made: too little memory")

    layouts = Layouts(drawn, "drawn", None, fails)
    layouts.begin()
    layouts.wait(10)
    layouts.begin()
    assert (layouts.state(UMAP), layouts.best) == ("failed", PCA)
    with pytest.raises(DataError, match="too little memory"):
        layouts.get(UMAP)


def test_few_or_too_many_images_and_no_library_leave_principal_components(monkeypatch):
    assert Layouts(lambda: drawn(10), "drawn", None, lambda given: given).names == (PCA,)
    monkeypatch.setattr(unfold, "MOST", 199)
    assert Layouts(drawn, "drawn", None, lambda given: given).names == (PCA,)
    layouts = Layouts(drawn, "drawn", None, None)
    assert layouts.names == (PCA,)
    with pytest.raises(ConfigError, match=r"unknown layout 'umap'.*the extra 'map'"):
        layouts.get(UMAP)


STUB = """
import numpy as np
class UMAP:
    def __init__(self, **told):
        assert told["random_state"] == 0 and told["n_neighbors"] == 15, told
    def fit_transform(self, values):
        {what}
"""


@pytest.fixture
def umap_that(tmp_path, monkeypatch):
    """Return a function that stands a library in for UMAP, in the other process."""

    def make(what):
        (tmp_path / "umap.py").write_text(STUB.format(what=what))
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{':'.join(filter(None, sys.path))}")

    return make


def test_the_other_process_is_given_values_and_gives_places(umap_that):
    umap_that("return values[:, ::-1][:, :2].astype(np.float64)")
    values = drawn(20, 3)
    assert np.array_equal(unfold.apart(values), values[:, ::-1][:, :2])


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("raise MemoryError('no room')", "MemoryError: no room"),
        ("return values[:, :2] * np.nan", "gives no places"),
    ],
)
def test_what_goes_wrong_there_is_told_in_a_line(umap_that, what, told):
    umap_that(what)
    with pytest.raises(DataError, match=told):
        unfold.apart(drawn(20, 3))


def test_the_other_process_ends_with_the_viewer(umap_that, tmp_path):
    ready = tmp_path / "ready"
    umap_that(f"import os, time; open({str(ready)!r}, 'w').write(str(os.getpid())); time.sleep(60)")
    asks = "import numpy as np; from prunescope.viewer import unfold; "
    asks += "unfold.apart(np.ones((20, 3), np.float32))"
    viewer = subprocess.Popen([sys.executable, "-c", asks])
    try:
        until(lambda: ready.exists() and ready.read_text())
        viewer.kill()
        viewer.wait(10)
        child = int(ready.read_text())
        until(lambda: not _line(child))
    finally:
        viewer.kill()


def _line(process):
    """Return what a process runs: nothing of one that has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def until(true):
    for _ in range(300):
        if true():
            return
        time.sleep(0.1)
    raise AssertionError("waited in vain")
