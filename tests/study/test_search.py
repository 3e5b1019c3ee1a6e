"""A search makes few models, each once, goes on where it stopped, and knows its own folder."""

from dataclasses import replace

import pytest

from prunescope.data import DataConfig, load_dataset
from prunescope.errors import ConfigError, DataError
from prunescope.mitigate import Search
from prunescope.models import load_checkpoint, weights_digest
from prunescope.predictions import Predictions
from prunescope.study import SearchPlan, chosen_model, run_search, train_model
from prunescope.study import search as module
from prunescope.study.sweep import silent
from prunescope.training import Recipe
from prunescope.verdict import Policy, shipped

TINY = Recipe(steps=2, batch_size=16, learning_rate=0.1, warmup=0.0)
CANDIDATES = (0.3, 0.5, 0.7)
EASY, IMPOSSIBLE = Policy.of(["accuracy >= 0"]), Policy.of(["accuracy >= 1.1"])


@pytest.fixture(scope="module")
def home(tmp_path_factory, seed):
    """Faces, and a model that has seen some of them."""
    folder = tmp_path_factory.mktemp("search")
    data = DataConfig(n_train=32, n_val=60, n_test=60, size=32, seed=seed, cache=folder / "cache")
    dataset = load_dataset(data)
    dense = train_model(dataset.split("train"), "resnet_small", TINY, folder / "dense", data=data)
    return dense, dataset


@pytest.fixture
def pruned(monkeypatch):
    """Names of the models that are pruned, in their order."""
    names = []

    def counted(parent, dataset, method, sparsity, out, **choices):
        names.append(out.name)
        return real(parent, dataset, method, sparsity, out, **choices)

    real = module.prune_model
    monkeypatch.setattr(module, "prune_model", counted)
    return names


def plan_of(policy, **changes):
    usual = {"recipes": {"one-shot": TINY}, "sparsities": CANDIDATES, "audit": {"replicates": 100}}
    return SearchPlan(policy, **usual | changes)


def run(home, folder, plan):
    return run_search(*home, plan, folder, show=silent)


def test_a_search_leaves_its_models_and_answers(home, tmp_path, pruned):
    found = run(home, tmp_path, plan_of(EASY))
    assert found.confirmed
    assert found.info.choice.sparsity == 0.7
    assert pruned == ["one-shot-50", "one-shot-70"]  # the middle, then the upper half
    assert Search.load(tmp_path).trials.equals(found.trials)
    chosen = load_checkpoint(chosen_model(found, tmp_path))
    total = sum(mask.numel() for mask in chosen.masks.values())
    assert sum(int(mask.sum()) for mask in chosen.masks.values()) == round(0.3 * total)
    asked = {path.name for path in (tmp_path / "val").iterdir()}
    assert asked == {"dense.parquet", "one-shot-50.parquet", "one-shot-70.parquet"}
    asked = {path.name for path in (tmp_path / "test").iterdir()}
    assert asked == {"dense.parquet", "one-shot-70.parquet"}
    for split in ("val", "test"):
        answers = Predictions.load(tmp_path / split / "one-shot-70.parquet")
        assert answers.metadata.split == split
        labels = answers.samples.labels == 1
        [row] = found.trials.filter(split=split, sparsity=0.7).to_dicts()
        assert row["value"] == pytest.approx((answers.decisions == labels).mean())


def test_an_unreachable_budget_is_told_and_costs_few_models(home, tmp_path, pruned):
    found = run(home, tmp_path, plan_of(IMPOSSIBLE))
    assert found.info.choice is None
    assert chosen_model(found, tmp_path) is None
    assert found.info.reason.startswith("cannot: not even the lowest sparsity holds on val")
    assert pruned == ["one-shot-50", "one-shot-30"]
    assert not (tmp_path / "test").exists()


def test_a_search_that_was_stopped_goes_on(home, tmp_path, pruned, monkeypatch):
    whole = run(home, tmp_path / "whole", plan_of(IMPOSSIBLE))
    del pruned[:]
    counted = module.prune_model

    def killed(*arguments, **choices):
        if len(pruned) == 1:
            raise KeyboardInterrupt
        return counted(*arguments, **choices)

    monkeypatch.setattr(module, "prune_model", killed)
    with pytest.raises(KeyboardInterrupt):
        run(home, tmp_path / "killed", plan_of(IMPOSSIBLE))
    assert pruned == ["one-shot-50"]
    monkeypatch.setattr(module, "prune_model", counted)
    (tmp_path / "killed" / "val" / ".one-shot-30.parquet.0a_b1c2d.part").touch()
    (tmp_path / "killed" / ".settings.json.0a_b1c2d.part").touch()
    again = run(home, tmp_path / "killed", plan_of(IMPOSSIBLE))
    assert pruned == ["one-shot-50", "one-shot-30"]
    assert again.trials.equals(whole.trials)
    assert not list((tmp_path / "killed").rglob("*.part"))


def test_another_budget_or_method_uses_the_models_that_are_there(home, tmp_path, pruned):
    run(home, tmp_path, plan_of(IMPOSSIBLE))
    answers = list((tmp_path / "val").iterdir())
    before = [path.stat().st_mtime_ns for path in answers]
    run(home, tmp_path, plan_of(EASY))
    assert pruned == ["one-shot-50", "one-shot-30", "one-shot-70"]
    assert [path.stat().st_mtime_ns for path in answers] == before
    run(home, tmp_path, plan_of(EASY, recipes={"structured": TINY}, sparsities=(0.7,)))
    assert pruned[3:] == ["structured-70"]
    other = {"one-shot": TINY.replace(learning_rate=0.2)}
    with pytest.raises(ConfigError, match="another recipe of one-shot"):  # is remembered
        run(home, tmp_path, plan_of(EASY, recipes=other))


def test_a_folder_of_other_settings_is_refused(home, tmp_path, pruned):
    run(home, tmp_path, plan_of(EASY, sparsities=(0.3,)))
    other = {"one-shot": TINY.replace(learning_rate=0.2)}
    for changes, what in (
        ({"recipes": other}, "recipe of one-shot"),
        ({"seed": 3}, "seed"),
        ({"warm": True}, "warm start"),
    ):
        with pytest.raises(ConfigError, match=f"holds a search with another {what}"):
            run(home, tmp_path, plan_of(EASY, **changes))
    assert pruned == ["one-shot-30"]


def test_a_folder_of_another_dense_model_or_data_is_refused(home, tmp_path):
    run(home, tmp_path, plan_of(EASY, sparsities=(0.3,)))
    dense, dataset = home
    other = load_checkpoint(chosen_model(Search.load(tmp_path), tmp_path))
    with pytest.raises(ConfigError, match="another dense model"):
        run((other, dataset), tmp_path, plan_of(EASY))
    further = run((other, dataset), tmp_path / "further", plan_of(EASY, sparsities=(0.5,)))
    assert further.confirmed  # what is pruned may be pruned again
    with pytest.raises(ConfigError, match="another data set"):
        run((dense, replace(dataset, fingerprint="other")), tmp_path, plan_of(EASY))
    (tmp_path / "settings.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        run(home, tmp_path, plan_of(EASY))


def test_warm_each_model_comes_from_the_one_below(home, tmp_path, pruned):
    warm = plan_of(EASY, warm=True)
    found = run(home, tmp_path, warm)
    assert found.info.choice.sparsity == 0.7
    assert pruned == ["one-shot-30", "one-shot-50", "one-shot-70"]
    models = [load_checkpoint(tmp_path / "models" / name) for name in pruned]
    parents = [model.provenance.parent for model in models]
    assert parents == [weights_digest(model.model) for model in (home[0], *models[:2])]
    below, _, above = (model.masks for model in models)
    assert not any((mask & ~below[name]).any() for name, mask in above.items())  # gone stays gone
    with pytest.raises(ConfigError, match="another list of sparsities"):
        run(home, tmp_path, replace(warm, sparsities=(0.3, 0.7)))


def test_warm_stops_at_the_first_that_breaks(home, tmp_path, pruned):
    found = run(home, tmp_path, plan_of(IMPOSSIBLE, warm=True))
    assert found.info.choice is None
    assert pruned == ["one-shot-30"]


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ("acuracy >= 0", "unknown metric 'acuracy': did you mean accuracy"),
        ("accuracy[Mael] >= 0", "unknown group 'Mael': did you mean Male"),
        ("accuracy[attribute:Smilin] >= 0", "did you mean Smiling"),
        ("accuracy[Male=Tru] >= 0", "did you mean True"),
        ("churn <= 0.1", "two dense models"),
        ("accuracy >= -0.0001", "(?s)could not tell even of the dense.* more images would tell"),
        ("tpr[*, Chubby=True] >= 0", "true positives: at least 10"),
    ],
)
def test_what_cannot_be_judged_is_told_before_any_training(home, tmp_path, pruned, budget, message):
    with pytest.raises((ConfigError, DataError), match=message):
        run(home, tmp_path, plan_of(Policy.of([budget])))
    assert pruned == []


def test_a_budget_that_cannot_be_judged_settles_nothing(home, tmp_path):
    wrong = plan_of(Policy.of(["acuracy >= 0"]), recipes={"one-shot": TINY.replace(steps=9)})
    with pytest.raises(ConfigError, match="unknown metric"):
        run(home, tmp_path, wrong)
    assert run(home, tmp_path, plan_of(EASY, sparsities=(0.3,))).confirmed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipes": {"oneshot": TINY}}, "unknown method 'oneshot': did you mean one-shot"),
        ({"recipes": {"snip": TINY}, "warm": True}, "which snip cannot: choose gmp-pt or"),
        ({"recipes": {"structured": TINY}, "warm": True}, "which structured cannot"),
        ({"audit": {"replicates": 0}}, "expected at least 16"),
        ({"sparsities": (95,)}, "95 percent is 0.95"),
        ({"audit": {"confidence": 95}}, "confidence"),
    ],
)
def test_bad_settings(home, tmp_path, pruned, changes, message):
    with pytest.raises(ConfigError, match=message):
        run(home, tmp_path, plan_of(EASY, **changes))
    assert pruned == []


def test_a_data_set_without_validation_is_told_before_any_training(home, tmp_path, pruned):
    dense, dataset = home
    rest = dataset.take(dataset.splits != "val")
    with pytest.raises(DataError, match="no sample in split 'val'"):
        run((dense, rest), tmp_path, plan_of(EASY))
    assert pruned == []
    assert not any(tmp_path.iterdir())


def test_trials_hold_the_audit_of_the_kept_answers(home, tmp_path):
    from prunescope.audit import audit

    policy = Policy.of(["accuracy[Male] >= -1", "uncertainty <= 1"])
    found = run(home, tmp_path, plan_of(policy, sparsities=(0.5,)))
    dense, sparse = (
        Predictions.load(tmp_path / "val" / f"{name}.parquet") for name in ("dense", "one-shot-50")
    )
    told = policy.judge(audit(dense, sparse, replicates=100)).of(sparse.name)
    rows = found.trials.filter(split="val").to_dicts()
    assert [row["text"] for row in rows] == [one.text for one in told.criteria]
    assert [row["reach"] for row in rows] == [one.rows[0].reach for one in told.criteria]
    assert {row["answer"] for row in rows} == {told.answer} == {"ship"}


def test_by_the_shipped_policy_few_images_are_told_before_any_training(home, tmp_path, pruned):
    with pytest.raises(DataError, match="split val could not tell even of the dense") as raised:
        run(home, tmp_path, plan_of(shipped()))
    assert pruned == []
    _, first, *others, last = str(raised.value).splitlines()
    assert first.startswith("Accuracy falls: ")
    assert len(others) == 2
    assert last.startswith("and ")


def test_a_bound_of_the_value_may_be_open_for_the_dense_model(home, tmp_path):
    """Nobody can tell whether the dense model's accuracy is as high as it was on 60 faces."""
    run(home, tmp_path, plan_of(EASY, sparsities=(0.3,)))
    answers = Predictions.load(tmp_path / "val" / "dense.parquet")
    accuracy = (answers.decisions == (answers.samples.labels == 1)).mean()
    found = run(home, tmp_path, plan_of(Policy.of([f"accuracy >= {accuracy}"]), sparsities=(0.3,)))
    assert found.trials["sparsity"].unique().to_list() == [0.3]
