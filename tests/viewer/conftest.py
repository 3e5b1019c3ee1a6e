"""An audit of 60 faces with two seeds of each model, the pictures, and a forecast."""

import threading
from functools import partial

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from prunescope.audit import audit
from prunescope.data import Dataset, Samples
from prunescope.data.samples import Group
from prunescope.forecast import forecast
from prunescope.predictions import Compression, Metadata, Predictions
from prunescope.viewer import Collection, Decisions, bind, create_app, layouts
from prunescope.viewer.serve import Server

TOKEN = "a-token-of-the-tests"
NAMES = ("Bald", "<b>Hat</b>", '=Odd & "even"')
HOST = "127.0.0.1:8760"


def answers_of(samples, *, seed, noise, sparsity=0.0):
    rng = np.random.default_rng([seed, int(100 * sparsity)])
    logits = np.where(samples.labels == 1, 2.0, -2.0) + rng.normal(0, noise, samples.labels.shape)
    how = Compression(method="gmp-pt" if sparsity else "dense", sparsity=sparsity)
    name = f"{'sparse' if sparsity else 'dense'}-{seed}"
    return Predictions(
        samples, logits.astype(np.float32), Metadata(name=name, seed=seed, compression=how)
    )


def faces(n=60, task="multilabel", names=NAMES):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, (n, len(names))).astype(np.int8)
    if task == "multiclass":
        labels = np.eye(len(names), dtype=np.int8)[rng.integers(0, len(names), n)]
    labels[n - 3 :] = -1
    return Samples(
        ids=pl.Series([f"face/{i} é" for i in range(n)]),
        attributes=names,
        labels=labels,
        groups={
            "Male": Group.from_series(pl.Series(rng.integers(0, 2, n) == 1)),
            'a "town", or': Group.from_series(pl.Series(rng.choice(["x, y", "z"], n))),
        },
        task=task,
    )


def pictures(samples):
    rng = np.random.default_rng(2)
    n = len(samples) - 1  # one face has no picture
    pixels = rng.integers(0, 256, (n, 3, 8, 8), np.uint8)
    order = rng.permutation(n)
    return Dataset("dots", "0", samples.take(order), pixels, order, np.full(n, "test"))


def collected(samples, *, with_forecast=True):
    dense = [answers_of(samples, seed=seed, noise=1.5) for seed in (0, 1)]
    sparse = [answers_of(samples, seed=seed, noise=3, sparsity=0.9) for seed in (0, 1)]
    found = audit(dense, sparse, replicates=100, train_rates=samples.rates(), min_support=2)
    told = forecast(dense[0], sparsity=0.9) if with_forecast else None
    return Collection.of(found, [*sparse, *dense], told, pictures(samples))


@pytest.fixture(autouse=True)
def _no_umap(monkeypatch):
    """Leave UMAP out, which takes half a minute to begin with; who tests it stands one in."""
    monkeypatch.setattr(layouts, "find_spec", lambda name: None)


@pytest.fixture(scope="session")
def collection():
    return collected(faces())


@pytest.fixture(scope="session")
def classes():
    """Return the same of a task with one answer out of three."""
    return collected(faces(task="multiclass", names=("cat", "dog", "<i>owl</i>")))


@pytest.fixture
def decisions(tmp_path):
    return Decisions(tmp_path / "kept" / "decisions.jsonl")


def _client(
    collection, decisions, *, loopback=True, root="", proxies=(), explainer=None, **headers
):
    options = {"loopback": loopback, "root": root, "proxies": proxies, "explainer": explainer}
    app = create_app(collection, decisions, token=TOKEN, reviewer="ada", **options)
    return TestClient(app, base_url=f"http://{HOST}", headers=headers, follow_redirects=False)


@pytest.fixture(scope="session")
def client_of():
    """Return a function that makes a client of an application."""
    return _client


@pytest.fixture(scope="session")
def token():
    return TOKEN


@pytest.fixture
def client(collection, decisions):
    """Return a client that may write."""
    return _client(collection, decisions, **{"x-prunescope-token": TOKEN})


class Running:
    """The viewer, served on a port of this machine, in a thread."""

    def __init__(self, collection, decisions, **options):
        app = create_app(collection, decisions, token=TOKEN, reviewer="ada", **options)
        self.socket = bind("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.started = threading.Event()
        self.server = Server(app, self.started.set)
        self.thread = threading.Thread(
            target=self.server.run, kwargs={"sockets": [self.socket]}, daemon=True
        )

    def __enter__(self):
        self.thread.start()
        assert self.started.wait(30)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(timeout=20)
        self.socket.close()
        assert not self.thread.is_alive()


@pytest.fixture
def serving(collection, decisions):
    """Return a function that serves the collection, with options of the application."""
    return partial(Running, collection, decisions)


@pytest.fixture
def running(collection, decisions):
    with Running(collection, decisions) as server:
        yield server
