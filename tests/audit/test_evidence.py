"""Evidence in memory and evidence added up of parts of files: one interface, the same counts."""

import numpy as np
import pytest

from prunescope.audit import audit, compare
from prunescope.audit.conclude import conclude
from prunescope.audit.evidence import Evidence, InMemory
from prunescope.audit.large_files import streaming
from prunescope.audit.large_files.streaming import audit_files
from prunescope.audit.large_files.tally import Tally
from prunescope.predictions import Compression, Predictions

ADDITIVE = {
    "multilabel": [("labels",), ("statistics", 1), ("transitions", 0, 1), ("transitions", 1, 3),
                   ("exemplars", [2, 3])],
    "multiclass": [("statistics", 2), ("transitions", 0, 2), ("exemplars", [2, 3]),
                   ("top_one", 3), ("top_one_changes", 0, 1), ("top_one_changes", 1, 3)],
}  # fmt: skip


def public(kind):
    return {name for name in vars(kind) if not name.startswith("_")}


def test_both_answer_what_is_asked_and_a_tally_has_the_rates_of_its_labels_beside():
    asked = public(Evidence)
    assert public(InMemory) == asked
    assert public(Tally) - {"sums", "worst", "n_worst"} == asked | {"rates"}


@pytest.fixture(params=["multilabel", "multiclass"])
def evidence(request, build, tmp_path, monkeypatch):
    """The evidence of two dense and two compressed seeds: in memory, and of parts of 7 rows."""
    task, rng = request.param, np.random.default_rng(0)
    labels = (rng.random((60, 3)) < 0.4).astype(int)
    if task == "multiclass":
        labels = np.eye(3, dtype=int)[rng.integers(0, 3, 60)]
    labels[:5] = -1
    groups = {"g": rng.choice(["x", "y"], 60).tolist()}
    models = []
    for k in range(4):
        how = Compression(method="gmp", sparsity=0.9) if k > 1 else Compression()
        logits = labels + rng.normal(0, 1.5, labels.shape)
        made = build(labels, logits, task=task, groups=groups, name=f"m{k}")
        about = made.metadata.model_copy(update={"seed": k % 2, "compression": how})
        models.append(Predictions(made.samples, made.logits, about))
        models[-1].save(tmp_path / f"m{k}.parquet")
    seen = []

    def concluded(subject, found, *more):
        seen.append(found)
        return conclude(subject, found, *more)

    for module in (compare, streaming):
        monkeypatch.setattr(module, "conclude", concluded)
    audit(models[:2], models[2:], replicates=20)
    paths = [tmp_path / f"m{k}.parquet" for k in range(4)]
    audit_files(paths[:2], paths[2:], replicates=20, rows=7)
    return task, *seen


def test_what_parts_add_up_to_is_what_memory_counts(evidence):
    task, memory, tally = evidence
    assert (type(memory), type(tally)) == (InMemory, Tally)
    for method, *models in ADDITIVE[task]:
        mine, other = (getattr(one, method)(*models) for one in (tally, memory))
        assert any(array.any() for array in other.arrays())
        for here, there in zip(mine.arrays(), other.arrays(), strict=True):
            assert here == pytest.approx(there, abs=1e-12), method


def test_the_most_affected_images_are_the_same(evidence):
    _, memory, tally = evidence
    for pair in ((0, 2), (1, 3)):
        for limit in (0, 3, 24):
            assert tally.affected(*pair, limit) == memory.affected(*pair, limit)
        assert len(memory.affected(*pair, 3)) == 3
