"""`prunescope view` as a person starts and stops it, and `prunescope review export`."""

import os
import re
import shutil
import signal
import sys
import threading
import time

import httpx2
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from prunescope.cli.app import app
from prunescope.extras import install_command
from prunescope.mitigate import Comparison
from prunescope.predictions import Predictions
from prunescope.predictions.embeddings import Embeddings
from prunescope.viewer.decisions import Decisions

COMMAND = """
import os, runpy, sys
os.dup2(errors.fileno(), 2)
sys.argv = ["prunescope", "view", *arguments, "--no-browser"]
runpy.run_module("prunescope", run_name="__main__")
"""
"""What the process of ``python -m prunescope view ... --no-browser`` does."""


class Viewer:
    """The command, running."""

    def __init__(self, forks, *arguments):
        read, write = forks.Pipe(duplex=False)
        given = {"errors": write, "arguments": [str(one) for one in arguments]}
        self.process = forks.Process(target=exec, args=(COMMAND, given))
        self.process.start()
        write.close()
        self.errors = os.fdopen(os.dup(read.fileno()))
        self.told = ""
        while "viewer: " not in self.told:
            line = self.errors.readline()
            assert line, self.told
            self.told += line
        self.url = re.search(r"viewer: (\S+)", self.told)[1]
        page = httpx2.get(self.url, follow_redirects=True)
        found = re.search(r'name="prunescope-token" content="([^"]+)"', page.text)
        self.token = found and found[1]

    def decide(self, key, who="ada", answer="yes"):
        return httpx2.post(
            f"{self.url}api/review/decisions",
            json={"id": key, "attribute": "Bald", "answer": answer, "by": who},
            headers={"x-prunescope-token": self.token},
        )

    def stop(self, how=signal.SIGINT):
        os.kill(self.process.pid, how)
        with self.errors:
            told = self.errors.read()
        self.process.join(30)
        return self.process.exitcode, told


@pytest.fixture
def view(forks):
    running = []

    def start(*arguments):
        running.append(Viewer(forks, *arguments))
        return running[-1]

    yield start
    for one in running:
        if one.process.is_alive():
            one.stop(signal.SIGKILL)


@pytest.fixture(scope="module")
def made(answers, tmp_path_factory):
    """Make an audit whose predictions lie elsewhere."""
    folder = tmp_path_factory.mktemp("made") / "all"
    (folder / "answers").mkdir(parents=True)
    dense, sparse = map(str, answers(folder / "answers"))
    asked = ["audit", dense, "--compressed", sparse, "--replicates", "0"]
    done = CliRunner().invoke(app, [*asked, "-o", str(folder / "audits" / "first")])
    assert done.exit_code == 0, done.output
    return folder.rename(folder.with_name("moved"))  # so that no copy finds the first one's


@pytest.fixture
def audited(made, tmp_path):
    """Return the folder of a copy of that audit."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "audits" / "first"


def test_an_audit_finds_its_predictions_wherever_it_is_called_from(audited, view, tmp_path):
    viewer = view(audited)
    assert "no images are shown: name their data set by --data" in viewer.told
    assert viewer.url.startswith("http://127.0.0.1:")
    assert httpx2.get(viewer.url + "api/samples").json()["total"] == 200
    assert viewer.decide("face-1").status_code == 201
    code, told = viewer.stop()
    assert code == 0
    assert f"stopped; 1 answer is decided in {audited / 'decisions.jsonl'}" in told
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "audits").rename(moved / "audits")
    (tmp_path / "answers").rename(moved / "answers")
    again = view(moved / "audits" / "first")
    assert httpx2.get(again.url + "api/samples").json()["total"] == 200


def test_predictions_that_are_gone_are_asked_for(audited, prunescope, tmp_path):
    (tmp_path / "answers" / "sparse.parquet").rename(tmp_path / "sparse.parquet")
    done = prunescope("view", audited, "--no-browser")
    assert done.code == 2
    assert "sparse.parquet: the answers that the audit was made of are not there" in done.err
    done = prunescope("view", audited, "--no-browser", "--predictions", tmp_path / "sparse.parquet")
    assert done.code == 2
    assert "no answers of dense were read, which the audit is about" in done.err


def test_a_kill_during_a_review_loses_no_confirmed_decision(audited, view):
    viewer = view(audited)
    confirmed, stop = [], threading.Event()

    def review(who):
        for number in range(200):
            try:
                if viewer.decide(f"face-{number}", who).status_code == 201:
                    confirmed.append((who, number))
            except httpx2.TransportError:
                return
            if stop.is_set():
                return

    threads = [threading.Thread(target=review, args=(who,)) for who in ("ada", "bob")]
    for thread in threads:
        thread.start()
    while len(confirmed) < 10:
        time.sleep(0.005)
    viewer.stop(signal.SIGKILL)
    stop.set()
    for thread in threads:
        thread.join()
    kept = Decisions(audited / "decisions.jsonl")
    for who, number in confirmed:
        assert who in kept.of((f"face-{number}", "Bald"))
    again = view(audited)
    assert again.decide("face-199", "cyd").status_code == 201


def test_two_viewers_of_one_audit_share_its_decisions(audited, view):
    one, other = view(audited), view(audited)
    assert one.url != other.url
    one.decide("face-1", "ada")
    other.decide("face-2", "bob")
    told = httpx2.get(one.url + "api/review/progress").json()
    assert told["decided"] == 2
    assert told["reviewers"] == {"ada": 1, "bob": 1}


def test_two_viewers_share_who_looks_at_what(audited, view):
    asked = []
    for who, viewer in zip("ab", (view(audited), view(audited)), strict=True):
        answer = httpx2.post(
            f"{viewer.url}api/review/next?flip=any&session={who}",
            headers={"x-prunescope-token": viewer.token},
        )
        asked.append(answer.json()["position"])
    assert asked == [0, 1]


def test_a_viewer_shows_the_verdict_of_a_policy_under_a_path(audited, view, tmp_path):
    policy = tmp_path / "policy.yaml"
    policy.write_text("version: 1\nconditions: [{metric: accuracy, relative: true, gte: -0.9}]\n")
    viewer = view(audited, "--policy", policy, "--root-path", "/x", "--proxy-host", "faces.example")
    assert "/x/?token=" in viewer.url
    with httpx2.Client(follow_redirects=True) as client:
        page = client.get(viewer.url)
        assert str(page.url).endswith("/x/")
        assert 'class="answer ship"' in page.text
    shipped = httpx2.get(view(audited).url).text
    assert 'class="answer stop"' in shipped


def test_a_map_is_made_of_embeddings_that_fit_the_audit(audited, view, tmp_path, prunescope):
    ids = [f"face-{i}" for i in range(199, -1, -1)]
    values = np.arange(400.0).reshape(200, 2)
    given = tmp_path / "seen.parquet"
    Embeddings.of(values, ids).save(given)
    viewer = view(audited, "--embeddings", given)
    page = httpx2.get(viewer.url + "map", timeout=60).text
    assert "embeddings (2 numbers each)" in page
    assert viewer.stop()[0] == 0

    Embeddings.of(values[:9], ids[:9]).save(audited / "embeddings.parquet")  # the default
    done = prunescope("view", audited, "--no-browser")
    assert done.code == 2
    assert "the embeddings lack 191 of 200 samples" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "70000"], "cannot be served"),
        (["--host", "192.0.2.1"], "192.0.2.1 port 8760 to 8809 cannot be served"),
        (["--data", "absent.yaml"], "absent.yaml: no such file"),
        (["--forecast", "absent"], "absent holds no forecast"),
        (["--policy", "absent.yaml"], "absent.yaml"),
        (["--embeddings", "absent.parquet"], "absent.parquet"),
        (["--root-path", "/review"], "a page of the viewer's own"),
        (["--root-path", "http://x/y"], "expected the path that a proxy serves the viewer under"),
    ],
)
def test_bad_usage_is_told(audited, prunescope, options, message):
    done = prunescope("view", audited, "--no-browser", *options)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


def test_what_is_no_audit_is_told(tmp_path, prunescope):
    done = prunescope("view", tmp_path, "--no-browser")
    assert done.code == 2
    assert "holds no audit: expected audit.parquet and audit.json" in done.err


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_decisions_are_exported(audited, prunescope, tmp_path, name):
    decisions = Decisions(audited / "decisions.jsonl")
    decisions.add("face-1", "Bald", "yes", by="ada", label=True)
    decisions.add("face-2", "Bald", "unsure", by="ada", label=False)
    done = prunescope("review", "export", audited, "-o", tmp_path / name, "--json")
    assert done.code == 0, done.err
    read = pl.read_csv if name.endswith("csv") else pl.read_parquet
    rows = read(tmp_path / name).select("id", "attribute", "answer", "label", "by").rows()
    assert rows == [
        ("face-1", "Bald", "yes", True, "ada"),
        ("face-2", "Bald", "unsure", False, "ada"),
    ]
    assert '"decided": 2, "unsure": 1' in done.out


def test_there_is_nothing_to_export_before_a_review(audited, prunescope, tmp_path):
    done = prunescope("review", "export", audited, "-o", tmp_path / "out.csv")
    assert done.code == 2
    assert (
        "decisions.jsonl does not exist: expected the decisions that 'prunescope view" in done.err
    )
    done = prunescope("review", "export", audited, "-o", tmp_path / "out.xlsx")
    assert done.code == 2
    assert not (tmp_path / "out.xlsx").exists()


def test_what_was_decided_is_taken_over_by_routing(audited, prunescope, tmp_path):
    dense, sparse = (tmp_path / "answers" / f"{name}.parquet" for name in ("dense", "sparse"))
    before, after = Predictions.load(dense), Predictions.load(sparse)
    decisions, n = Decisions(audited / "decisions.jsonl"), 0
    for row, column in np.argwhere(before.decisions != after.decisions):
        label = bool(before.samples.labels[row, column])
        key = before.samples.ids[int(row)]
        decisions.add(key, before.attributes[column], "yes" if label else "no", by="a", label=label)
        n += 1
    assert n > 20
    table = tmp_path / "decisions.csv"
    assert prunescope("review", "export", audited, "-o", table).code == 0
    done = prunescope(
        "mitigate", "route", sparse, dense, "--overrides", table, "-o", tmp_path / "route",
        "--replicates", "100", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["overrides"]["yes"] + done.json["overrides"]["no"] == n
    effects = Comparison.load(tmp_path / "route").table
    [accuracy] = effects.filter(pl.col("group").is_null(), measure="overrides", metric="accuracy")[
        "value"
    ]
    flipped = before.decisions != after.decisions
    right = after.decisions == (after.samples.labels == 1)
    assert accuracy == pytest.approx((right | flipped).mean())  # every flip was looked at


@pytest.mark.parametrize("command", [["view", "audit"], ["review", "export", "audit"]])
def test_without_its_libraries_the_viewer_says_what_to_install(prunescope, monkeypatch, command):
    for name in [name for name in sys.modules if name.startswith("prunescope.viewer")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("prunescope.viewer", raising=False)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    audit = "prunescope.audit.Audit.load"
    monkeypatch.setattr(audit, lambda _: None)
    done = prunescope(*command)
    assert done.code == 2
    assert install_command("viewer") in done.err
