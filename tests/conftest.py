"""What tests of several packages share."""

import multiprocessing
import os
import random
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import polars as pl
import pytest
from hypothesis import settings
from playwright.sync_api import sync_playwright

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Group, Samples
from prunescope.predictions import Compression, Metadata, Predictions

WIDTHS = {"desktop": 1280, "phone": 390}

# The same examples in every run; `--hypothesis-profile explore` looks for others.
settings.register_profile("seeded", derandomize=True, deadline=None, max_examples=40)
settings.register_profile("explore", deadline=None)
settings.load_profile("seeded")


def pytest_collection_modifyitems(items):
    """Run files, and the tests of each, in an order drawn by $PRUNESCOPE_TEST_ORDER."""
    if drawn := os.environ.get("PRUNESCOPE_TEST_ORDER"):
        rng = random.Random(drawn)
        place = {path: rng.random() for path in sorted({item.path for item in items})}
        rng.shuffle(items)
        items.sort(key=lambda item: place[item.path])


@pytest.fixture(scope="session")
def seed():
    """Where what a test trains or plants begins; its truth may not depend on it."""
    return int(os.environ.get("PRUNESCOPE_TEST_SEED", "0"))


@pytest.fixture(scope="session")
def answers():
    """Return a function that writes the answers of a dense and a sparse model to a folder."""

    def write(folder, n=200, seed=0):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, (n, 3)).astype(np.int8)
        samples = Samples(
            ids=pl.Series([f"face-{i}" for i in range(n)]),
            attributes=("Male", "Smiling", "Bald"),
            labels=labels,
            groups={"Male": Group.from_series(pl.Series(labels[:, 0] == 1))},
        )
        rates = samples.rates()
        paths = []
        for name, noise, sparsity in (("dense", 1.0, 0.0), ("sparse", 3.0, 0.9)):
            logits = (labels * 4.0 - 2.0 + rng.normal(0, noise, labels.shape)).astype(np.float32)
            metadata = Metadata(
                name=name,
                compression=Compression(
                    method="gmp-pt" if sparsity else "dense", sparsity=sparsity
                ),
                train_prevalence=dict(rates.prevalence),
                train_group_rates={g: dict(v) for g, v in rates.group_rates.items()},
            )
            paths.append(folder / f"{name}.parquet")
            Predictions(samples, logits, metadata).save(paths[-1])
        return paths

    return write


@pytest.fixture(scope="session")
def build():
    """Return a function that makes predictions from arrays (N, A) and columns of group values."""

    def make(labels, logits, *, groups=None, names=None, ids=None, **options):
        labels, logits = np.asarray(labels, np.int8), np.asarray(logits)
        known = {"cluster", "images", "task"}
        samples = Samples(
            ids=pl.Series(ids or [f"s{i}" for i in range(len(labels))], dtype=pl.String),
            attributes=names or tuple(f"a{i}" for i in range(labels.shape[1])),
            labels=labels,
            groups={k: Group.from_series(pl.Series(k, v)) for k, v in (groups or {}).items()},
            **{key: options[key] for key in known & options.keys()},
        )
        metadata = {key: value for key, value in options.items() if key not in known}
        return Predictions(samples, logits, Metadata(**metadata))

    return make


@pytest.fixture(scope="session")
def dots():
    """Return a function that makes a data set of pixels (N, 3, H, W), a third of one side."""

    def make(pixels, labels, splits):
        n = len(pixels)
        ids = pl.Series([str(i) for i in range(n)])
        side = Group.from_series(pl.Series(np.arange(n) % 3 == 0))
        samples = Samples(ids, ("Dark", "Coin"), labels, groups={"Side": side})
        return Dataset("dots", "0", samples, pixels, np.arange(n), splits)

    return make


@pytest.fixture(scope="session")
def draw(build):
    """Return a function that draws small, awkward predictions of several models.

    Scores are tied, attributes may be constant or wholly unlabelled, group values unknown.
    """

    def make(seed, n=30, a=3, models=1):
        rng = np.random.default_rng(seed)
        rates = rng.choice([0.0, 0.2, 0.5, 0.9, 1.0], a, p=[0.1, 0.2, 0.4, 0.2, 0.1])
        labels = (rng.random((n, a)) < rates).astype(np.int8)
        labels[rng.random((n, a)) < rng.choice([0.0, 0.2, 1.0], a, p=[0.5, 0.4, 0.1])] = -1
        groups = {
            "Male": [[True, False, None][i] for i in rng.integers(0, 3, n)],
            "band": [[10, 20, 30, None][i] for i in rng.integers(0, 4, n)],
            "town": [["Łódź", 'a,"b"', "c"][i] for i in rng.integers(0, 3, n)],
        }
        result = []
        for number in range(models):
            lean = rng.choice([-9.0, -1.0, 0.0, 1.0], a, p=[0.1, 0.3, 0.4, 0.2])
            logits = np.round(rng.normal(0, 2, (n, a)) + labels + lean).astype(np.float32) / 2
            result.append(build(labels, logits, groups=groups, name=f"model{number}"))
        return result[0] if models == 1 else result

    return make


@pytest.fixture(scope="session")
def forks():
    """Return a context of processes that start at once: forks of one that has imported it all."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["prunescope.viewer", "prunescope.cli.app"])
    return context


@pytest.fixture(scope="session")
def two_machines():
    """Return a context of a Ray cluster: a head and a second machine, both processes here.

    One processor and `megabytes` of shared memory each, on loopback; stopped afterwards.
    """

    @contextmanager
    def run(megabytes):
        import ray
        from ray.cluster_utils import Cluster

        options = {
            "num_cpus": 1, "object_store_memory": megabytes * 2**20, "node_ip_address": "127.0.0.2",
        }  # fmt: skip
        head = {**options, "include_dashboard": False}
        cluster = Cluster(initialize_head=True, head_node_args=head)
        second = cluster.add_node(**options)
        try:
            yield cluster, second
        finally:
            ray.shutdown()
            cluster.shutdown()

    return run


@pytest.fixture(scope="session")
def browser():
    path = shutil.which("chromium")
    assert path, "these tests need chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser):
    """Open a page; what goes wrong meanwhile, or is asked of another place, is an error at the end.

    `home` is how the addresses begin that it may ask.
    """
    contexts, wrong = [], []

    def opened(url, home, width="desktop", **options):
        viewport = {"width": WIDTHS[width], "height": 900}
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("request", lambda asked: asked.url.startswith(home) or wrong.append(asked.url))
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def visit(opened):
    """Open a file, with the network cut."""

    def visit(path, width="desktop", scheme="light", fragment=""):
        how = {"color_scheme": scheme, "offline": True, "has_touch": width == "phone"}
        return opened(path.as_uri() + fragment, ("file:", "data:"), width, **how)

    return visit


@pytest.fixture(scope="session")
def barriers():
    """Return a function: an open page → what axe-core finds in it that is serious or critical."""
    axe = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")

    def find(page):
        page.evaluate(axe)
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        return [
            (one["id"], node["target"], node["failureSummary"])
            for one in found
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"][:3]
        ]

    return find


@pytest.fixture(scope="session")
def killed_at():
    """Return a context manager: from file operation n on, every one below a folder fails.

    Those of cleaning up fail, too, so the disk is left as SIGKILL would leave it. It gives a list
    that is not empty once it is over and if the operation came.
    """
    return _killed_at


EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "shutil.rmtree"}
"""What Python tells audit hooks of before it does it."""


class Killed(BaseException):
    """The process is dead."""


class _Hook:
    """Counts file operations below a folder; a hook cannot be removed, only put to rest."""

    def __init__(self):
        self.folder, self.left, self.seen = None, 0, 0
        sys.addaudithook(self)

    def __call__(self, event, arguments):
        if self.folder is None or event not in EVENTS:
            return
        if not str(arguments[0]).startswith(self.folder):
            return
        if event == "open" and not _writes(*arguments):
            return
        self.seen += 1
        if self.seen > self.left:
            raise Killed


def _writes(path, mode, flags):
    return any(letter in (mode or "") for letter in "wax+") or bool((flags or 0) & 0b11)


_hook = None


@contextmanager
def _killed_at(n, folder):
    """Kill at file operation `n`, from 0, below a folder; gives a list, not empty if it came."""
    global _hook
    _hook = _hook or _Hook()
    _hook.folder, _hook.left, _hook.seen = str(folder), n, 0
    came = []
    try:
        yield came
    except Killed:
        pass
    finally:
        came += [True] * (_hook.seen > n)
        _hook.folder = None


@dataclass(frozen=True)
class World:
    """A dense model, a compressed one, and who is hurt."""

    dense: Predictions
    sparse: Predictions
    hurt: np.ndarray


def draw_world(seed=0, n=3000, attributes=4, share=0.08, damage=0.25, persons=0):
    """Draw one: the answers to the first attribute of some samples are turned."""
    rng = np.random.default_rng(seed)
    seen = rng.normal(size=(n, attributes))
    labels = (seen > rng.normal(0.3, 0.6, attributes)).astype(np.int8)
    logits = 2 * (seen - 0.3) + rng.normal(size=seen.shape) * 0.8
    hurt = rng.random(n) < share
    sparse = logits + rng.normal(size=logits.shape) * 0.25
    turned = hurt & (rng.random(n) < damage)
    sparse[turned, 0] *= -1
    groups = {
        "hat": Group.from_series(pl.Series(hurt)),
        "town": Group.from_series(pl.Series(rng.choice(["a", "b", "c"], n))),
    }
    if persons:
        groups["who"] = Group.from_series(pl.Series(rng.integers(0, persons, n)))
    names = tuple(f"a{i}" for i in range(attributes))
    ids = pl.Series("id", [f"i{i}" for i in range(n)])
    samples = Samples(ids, names, labels, groups, "who" if persons else None)
    return World(
        Predictions(samples, logits, Metadata(name="dense")),
        Predictions(samples, sparse, Metadata(name="sparse")),
        hurt,
    )


@pytest.fixture(scope="session")
def world():
    """Return the function that draws a world of a dense and a compressed model, and who is hurt."""
    return draw_world
