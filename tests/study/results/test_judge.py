"""Where answers are made so that a claim holds it is held, where the opposite it fails."""

import numpy as np
import pytest

from prunescope.study.results.claims.answers import in_band
from prunescope.study.results.judge import judge_claims

CLAIMED = {
    "2": "held", "4": "held", "5b": "held", "5c": "held", "6a": "held",
    "6c": "held", "7": "held", "8": "held", "9a": "held", "9b": "held", "9c": "held",
    "10": "held", "seeds": "held", "groups": "held", "int8": "held",
}  # fmt: skip
OPPOSITE = {
    "1": "held", "2": "failed", "3": "failed", "4": "failed", "5a": "held", "5b": "failed",
    "5c": "failed", "6a": "held", "6c": "held", "7": "undecided", "8": "undecided",
    "9a": "undecided", "9b": "undecided", "9c": "undecided", "10": "failed", "seeds": "failed",
    "groups": "held", "int8": "failed",
}  # fmt: skip


@pytest.fixture(scope="module")
def results(by_hand, tmp_path_factory):
    return {kind: by_hand(tmp_path_factory.mktemp(kind), kind) for kind in ("claimed", "opposite")}


@pytest.fixture(scope="module")
def claims(results):
    return {
        kind: {claim.key: claim for claim in judge_claims(found)} for kind, found in results.items()
    }


@pytest.mark.parametrize(("kind", "expected"), [("claimed", CLAIMED), ("opposite", OPPOSITE)])
def test_verdicts(claims, kind, expected):
    found = {key: claims[kind][key].verdict for key in expected}
    assert found == expected, {
        key: claims[kind][key].evidence for key in expected if found[key] != expected[key]
    }


def test_every_claim_is_judged_in_order(claims):
    assert list(claims["claimed"]) == [
        "1", "2", "3", "4", "5a", "5b", "5c", "6a", "6b", "6c", "7", "8", "9a", "9b", "9c", "10",
        "seeds", "groups", "int8",
    ]  # fmt: skip
    for claim in claims["claimed"].values():
        assert claim.test
        assert claim.evidence


def test_a_study_without_the_runs_is_undecided(by_hand, tmp_path):
    text = """
name: little
data: {groups: [Male]}
base: {architectures: resnet_small, methods: gmp-pt, sparsities: 0.95}
audit: {replicates: 0}
"""
    found = {claim.key: claim for claim in judge_claims(by_hand(tmp_path, "opposite", text, n=300))}
    assert {claim.verdict for key, claim in found.items() if key not in ("6c", "groups")} == {
        "undecided"
    }
    assert found["1"].evidence == "no sparsity up to 90%"
    assert found["2"].evidence == "no run at 99.5%"
    assert found["9a"].evidence == "no backdoor with these shares"
    assert "one seed" in found["5a"].evidence or "unknown" in found["5a"].evidence


class Answers:
    """As much of a population as `in_band` looks at."""

    def __init__(self, answers, probabilities=None):
        self.modal_answers = np.array(answers, np.int8)
        self.mean_probabilities = None if probabilities is None else np.array(probabilities)


def test_the_share_of_exemplars_in_the_band_by_hand():
    dense = Answers([[1, 1], [0, -1], [1, 0], [0, 0]],
                    [[0.6, 0.95], [0.2, 0.5], [0.9, 0.05], [0.3, 0.1]])  # fmt: skip
    sparse = Answers([[0, 0], [1, 1], [0, 0], [0, -1]])
    # exemplars: 0.6 (in), 0.95 (out), 0.2 (in), 0.9 (out: the band is open); ties do not count
    assert in_band(dense, sparse).value == 0.5
    beside = Answers([[0, 1], [0, 1], [1, 0], [0, 0]])  # one exemplar, in the band
    assert in_band(dense, sparse, beside=beside).value == -0.5
    assert np.isnan(in_band(dense, dense)).all()


def test_its_interval_is_that_of_a_bootstrap_over_images():
    rng = np.random.default_rng(0)
    n = 400
    p = rng.random((n, 2))
    dense = Answers((p > 0.5).astype(int), p)
    sparse = Answers(((p > 0.5) ^ (rng.random((n, 2)) < 0.2)).astype(int))
    found = in_band(dense, sparse)
    differ = dense.modal_answers != sparse.modal_answers
    band = (p > 0.1) & (p < 0.9)
    drawn = [rng.integers(0, n, n) for _ in range(2000)]
    shares = [(differ & band)[rows].sum() / differ[rows].sum() for rows in drawn]
    assert found.value == (differ & band).sum() / differ.sum()
    assert (found.low, found.high) == pytest.approx(np.quantile(shares, [0.025, 0.975]), abs=0.01)
