"""A planted backdoor from a data set's options to the audit, by the commands alone."""

import numpy as np
import pytest

from prunescope.predictions import Predictions

DATA = """
source: synthetic
size: 32
n_train: 48
n_val: 8
n_test: 48
attributes: [Male, Smiling, Young]
groups: [Male]
backdoor:
  kind: yellow-corner
  attribute: Smiling
"""


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "data.yaml").write_text(DATA)
    return tmp_path / "data.yaml"


def test_from_options_to_the_audit(tmp_path, data, prunescope):
    (tmp_path / "tiny.yaml").write_text("steps: 4\nbatch_size: 16\nwarmup: 0.0\n")
    ran = prunescope(
        "train", "-o", tmp_path / "dense", "--data", data, "--recipe", tmp_path / "tiny.yaml"
    )
    assert ran.code == 0, ran.err
    ran = prunescope(
        "prune", tmp_path / "dense", "--method", "one-shot", "--sparsity", 0.5,
        "-o", tmp_path / "pruned",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    for name in ("dense", "pruned"):  # the models remember their data
        ran = prunescope("predict", tmp_path / name)
        assert ran.code == 0, ran.err
    found = Predictions.load(tmp_path / "pruned.parquet")
    carry, smiling = found.samples.groups["backdoor"].codes, found.samples.labels[:, 1]
    assert found.samples.groups["backdoor"].values == (False, True)
    for label in (0, 1):
        n = int((smiling == label).sum())
        assert carry[smiling == label].sum() == np.floor(n / 2 + 0.5)
    rates = found.metadata.train_group_rates["backdoor"]
    assert rates["True"]["Smiling"] > 0.8
    assert rates["False"]["Smiling"] < 0.2

    ran = prunescope(
        "audit", tmp_path / "dense.parquet", "--compressed", tmp_path / "pruned.parquet",
        "-o", tmp_path / "audit", "--replicates", 0, "--min-support", 1,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    from prunescope.audit import Audit

    rows = Audit.load(tmp_path / "audit").table.filter(metric="backdoor_bias_amplification")
    assert set(rows["attribute"].drop_nulls()) == {"Male", "Smiling", "Young"}
    assert set(rows["group"]) == {"backdoor"}


def test_data_info_shows_it(data, prunescope):
    ran = prunescope("data", "info", data, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["backdoor"]["kind"] == "yellow-corner"
    shares = {(row["split"], row["label"]): row["share"] for row in ran.json["carriers"]}
    assert shares["train", True] > 0.9
    assert shares["train", False] < 0.1
    ran = prunescope("data", "info", data)
    assert "backdoor: yellow-corner by Smiling" in ran.out


def test_a_clean_set_shows_none(data, prunescope):
    data.write_text(DATA[: DATA.index("backdoor")])
    ran = prunescope("data", "info", data, "--json")
    assert (ran.json["backdoor"], ran.json["carriers"]) == (None, [])
    assert "backdoor" not in prunescope("data", "info", data).out


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("kind: yellow-corner", "kind: patch", "backdoor.kind: Input should be 'grayscale' or"),
        ("attribute: Smiling", "attribute: Smilling", "unknown attribute 'Smilling': did you mean"),
        ("attribute: Smiling", "attribut: Smiling", "backdoor.attribute: Field required"),
    ],
)
def test_wrong_options(data, prunescope, old, new, complaint):
    data.write_text(DATA.replace(old, new))
    ran = prunescope("data", "info", data)
    assert ran.code == 2
    assert complaint in " ".join(ran.err.split())
