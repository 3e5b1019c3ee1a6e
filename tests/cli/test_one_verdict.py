"""No contradiction: whatever is drawn, every place says the same of it."""

import json
import re

import numpy as np
import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from prunescope.audit import audit
from prunescope.cli.app import app
from prunescope.data.samples import Group, Samples
from prunescope.predictions import Compression, Metadata, Predictions
from prunescope.report import build, to_html, to_json, to_markdown, to_model_card
from prunescope.verdict import WORDS, shipped
from prunescope.verdict.numbers import escape

PASSED = ("ship", "care")


def drawn(seed, n, width, classes, noise, lost, seeds, clustered, groups):
    """Draw dense and compressed models of some seeds, and audit them."""
    rng = np.random.default_rng(seed)
    if classes:
        labels = np.eye(width, dtype=np.int8)[rng.integers(0, width, n)]
    else:
        labels = (rng.random((n, width)) < np.linspace(0.1, 0.5, width)).astype(np.int8)
    told = {}
    if groups:
        told["Male"] = Group.from_series(pl.Series(rng.random(n) < 0.4))
        told["age"] = Group.from_series(pl.Series(rng.choice(["young", "old", "?"], n)))
    if clustered:
        told["who"] = Group.from_series(pl.Series(rng.integers(0, max(n // 4, 2), n).astype(str)))
    samples = Samples(
        pl.Series([f"i{row}" for row in range(n)]),
        tuple(f"a{k}" for k in range(width)),
        labels,
        told,
        task="multiclass" if classes else "multilabel",
    )
    models = [[], []]
    for number in range(seeds):
        dense = 2.5 * (2 * labels - 1) + rng.normal(0, 1, labels.shape)
        pruned = dense + noise * rng.normal(0, 1, labels.shape)
        pruned[(rng.random(labels.shape) < lost) & (labels == 1)] *= -1
        for side, logits in enumerate((dense, pruned)):
            how = Compression(method="gmp", sparsity=0.9) if side else Compression()
            name = f"{('dense', 'pruned')[side]}-{number}"
            about = Metadata(name=name, seed=number, task=samples.task, compression=how)
            models[side].append(Predictions(samples, logits, about))
    return audit(
        *models, train_rates=samples.rates(), replicates=100, cluster="who" if clustered else None
    )


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 10**6),
    n=st.sampled_from([12, 60, 400, 1_500]),
    width=st.integers(2, 5),
    classes=st.booleans(),
    noise=st.sampled_from([0.0, 0.2, 1.0]),
    lost=st.sampled_from([0.0, 0.01, 0.3]),
    seeds=st.integers(1, 3),
    clustered=st.booleans(),
    groups=st.booleans(),
)
def test_every_place_says_the_same(tmp_path_factory, **shape):
    found = drawn(**shape)
    folder = tmp_path_factory.mktemp("one") / "audit"
    found.save(folder)
    verdict = shipped().judge(found)
    report = build(found)

    assert report.verdict == verdict
    assert f"**{escape(verdict.text)}**" in to_markdown(report)
    assert f"**{escape(verdict.text)}**" in to_model_card(report)
    assert json.loads(to_json(report))["verdict"]["answers"] == verdict.answers
    [(kind, _)] = re.findall(
        r'(?s)<h1><span class="answer (\w+)">.*?</svg>(.*?)</span>', to_html(report)
    )
    assert kind == verdict.answer

    gate = CliRunner().invoke(app, ["gate", str(folder), "--json"])
    told = json.loads(gate.stdout)
    assert {one["model"]: one["answer"] for one in told["models"]} == {
        one.model: one.answer for one in verdict.models
    }
    passed = all(one.answer in PASSED for one in verdict.models)
    assert (told["passed"], gate.exit_code) == (passed, 0 if passed else 1)

    page = CliRunner().invoke(app, ["report", str(folder), "-o", str(folder.parent / "page")])
    assert page.exit_code == 0, page.output
    assert page.stdout.startswith(verdict.text[:70])
    for name, answer in verdict.answers.items():
        if name in {one.name for one in report.compressed}:
            assert f"{name}: {WORDS[answer]}" in " ".join(page.stdout.split())
