"""Which runs a study has, what they share, and what keys depend on."""

from pathlib import Path

import pytest

from prunescope.data import DataConfig, Outline
from prunescope.study.plan import make_plan, parse_study, work_of

BASE = """
name: a
data: {groups: [Male]}
base:
  architectures: [resnet_small]
  methods: [gmp-pt, gmp-ri, one-shot]
  sparsities: [0.8, 0.9]
  seeds: [0, 1]
  recipe: {epochs: 2, batch_size: 10}
  recipe_pt: {steps: 30}
"""
DATA = Outline(("Smiling", "Bald"), ("Male",), {"train": 105, "val": 10, "test": 20})


def plan(text=BASE):
    study, source = parse_study(text, Path("study.yaml"))
    return make_plan(study, DATA, source)


def names(runs):
    return [run.name for run in runs]


def test_every_combination_and_each_dense_model_once():
    found = plan()
    [setting] = found.settings
    assert names(setting.dense) == ["dense-s0", "dense-s1"]
    expected = [
        f"{method}-{sparsity}-s{seed}"
        for seed in (0, 1)
        for method in ("gmp-pt", "gmp-ri", "one-shot")
        for sparsity in (80, 90)
    ]
    assert names(setting.compressed) == expected
    parents = {run.name: run.parent and run.parent.name for run in setting.compressed}
    assert parents["gmp-pt-90-s1"] == parents["one-shot-80-s1"] == "dense-s1"
    assert parents["gmp-ri-90-s1"] is None


def test_recipes_of_dense_and_sparse_are_the_same_but_for_the_start():
    [setting] = plan().settings
    recipes = {run.name: run.recipe for run in setting.runs}
    assert recipes["dense-s1"] == recipes["gmp-ri-90-s1"]
    assert recipes["dense-s1"]["seed"] == 1
    assert recipes["dense-s1"]["deterministic"] is True
    assert recipes["gmp-pt-90-s1"]["steps"] == 30
    assert recipes["one-shot-90-s1"] is None


def test_parents_come_before_their_children():
    seen = set()
    for run in plan(BASE + "vary: [{int8: true}, {single: all, methods: gmp-pt}]").runs:
        assert run.parent is None or run.parent.key in seen
        seen.add(run.key)


def test_entries_share_dense_models_and_are_audited_together():
    found = plan(BASE + "vary: [{methods: gmp-ri}, {methods: ac/dc, int8: true}]")
    [setting] = found.settings
    assert len(setting.dense) == 2
    assert {run.method for run in setting.compressed} == {"gmp-ri", "ac/dc", "int8"}


def test_another_recipe_is_another_setting():
    found = plan(BASE + "vary: [{}, {recipe: {epochs: 3, batch_size: 10}}]")
    assert [setting.name for setting in found.settings] == ["resnet_small", "resnet_small-2"]
    assert len({run.key for run in found.runs}) == 28


def test_single_attributes_and_backdoors():
    backdoor = "{kind: grayscale, attribute: Bald, negative: 0.35, positive: 0.65}"
    found = plan(BASE + f"vary: [{{single: all}}, {{backdoors: [{backdoor}]}}]")
    assert [setting.name for setting in found.settings] == [
        "resnet_small-Smiling",
        "resnet_small-Bald",
        "resnet_small-grayscale-Bald-35-65",
    ]
    assert [setting.single for setting in found.settings] == ["Smiling", "Bald", None]
    assert found.settings[2].backdoor.positive == 0.65
    assert len(found.data_sets) == 2


def test_keys_depend_on_what_matters_and_on_nothing_else():
    run = plan().settings[0].compressed[0]
    same = DataConfig(groups=["Male"], cache="elsewhere", on_bad_image="skip")
    assert run.model_copy(update={"data": same}).key == run.key
    changes = [
        {"arch": "resnet18"},
        {"data": DataConfig(groups=["Male"], size=32)},
        {"data": DataConfig(groups=["Male"], source="faces.csv")},
        {"method": "linear-pt"},
        {"sparsity": 0.85},
        {"seed": 1},
        {"recipe": {"steps": 31}},
        {"threads": 2},
        {"parent": None},
    ]
    keys = {run.key} | {run.model_copy(update=change).key for change in changes}
    assert len(keys) == 1 + len(changes)
    assert run.key.startswith("resnet_small-gmp-pt-80-s0-")


def test_a_key_is_the_same_tomorrow():
    # of a study that somebody may have half-finished: a change here would start it anew
    run = plan().settings[0].compressed[0]
    assert run.key == "resnet_small-gmp-pt-80-s0-77ad5b006257"


def test_keys_are_names_of_folders_whatever_the_names():
    text = BASE.replace("[resnet_small]", "['hf:some/net']")
    data = Outline(("../a b", "<b>"), ("Male",), DATA.n_samples)
    study, source = parse_study(text + "vary: [{single: all}]", Path("study.yaml"))
    for run in make_plan(study, data, source).runs:
        assert "/" not in run.key
        assert not run.key.startswith(".")
        assert run.key.isascii()


@pytest.mark.parametrize(
    ("name", "steps"),
    [("dense-s0", 20), ("gmp-ri-90-s0", 20), ("gmp-pt-90-s0", 30), ("one-shot-90-s0", 0)],
)
def test_work_is_counted_in_steps(name, steps):
    found = plan()
    [run] = [run for run in found.runs if run.name == name]
    work = work_of(run, found.study.asked, DATA)
    assert (work.steps, work.images) == (steps, 30)
    seconds = work.seconds({work.kind: 0.5})
    batch = work.kind[2]
    assert seconds == pytest.approx(0.5 * steps + 30 * 0.5 / batch / 3)


def test_iterative_pruning_trains_several_times():
    found = plan(BASE.replace("[gmp-pt, gmp-ri, one-shot]", "[imp]"))
    [run] = [run for run in found.runs if run.name == "imp-80-s0"]
    assert work_of(run, found.study.asked, DATA).steps == 20 * 9  # 0.8^8 < 0.2 < 0.8^7
