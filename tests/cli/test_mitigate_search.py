"""`prunescope mitigate search`, with good input and bad."""

import shutil

import pytest

from prunescope.data import DataConfig, load_dataset
from prunescope.mitigate import Search
from prunescope.study import train_model
from prunescope.training import Recipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory, seed):
    """A folder with a model that has seen some drawn faces, and a recipe of two steps."""
    folder = tmp_path_factory.mktemp("search")
    data = DataConfig(n_train=32, n_val=60, n_test=60, size=32, seed=seed, cache=folder / "cache")
    tiny = Recipe(steps=2, batch_size=16, learning_rate=0.1, warmup=0.0)
    train = load_dataset(data).split("train")
    train_model(train, "resnet_small", tiny, folder / "dense", data=data)
    (folder / "tiny.yaml").write_text("steps: 2\nbatch_size: 16\nlearning_rate: 0.1\nwarmup: 0.0\n")
    return folder


@pytest.fixture
def search(folder, prunescope):
    """Return a function that searches among two sparsities for some budgets."""

    def run(*budgets, flags=(), **changes):
        options = {
            "--method": "one-shot", "--sparsities": "0.3,0.5", "--recipe": folder / "tiny.yaml",
            "--replicates": 100, "-o": folder / "out",
        } | changes  # fmt: skip
        given = [word for budget in budgets for word in ("--budget", budget)]
        given += [word for option in options.items() for word in option]
        return prunescope("mitigate", "search", folder / "dense", *given, *flags)

    return run


def test_a_budget_that_is_kept_one_that_is_not_and_the_models_in_between(folder, search):
    shutil.rmtree(folder / "out", ignore_errors=True)  # of tests that ran before
    ran = search("accuracy >= 0", "uncertainty[Male] <= 1")
    assert ran.code == 0, ran.err
    assert "one-shot at 50% holds on val: ship; on test: confirmed" in ran.out
    assert "2 held" in ran.out
    assert str(folder / "out" / "models" / "one-shot-50") in ran.out.replace("\n", "")
    assert Search.load(folder / "out").confirmed
    assert "prune to" in ran.err

    ran = search("accuracy >= 0", flags=["--json"])
    assert ran.code == 0, ran.err
    assert ran.json["confirmation"] == "confirmed"
    assert ran.json["choice"]["sparsity"] == 0.5
    assert ran.json["model"] == str(folder / "out" / "models" / "one-shot-50")
    assert [trial["split"] for trial in ran.json["trials"]] == ["val", "test"]
    assert "prune to" not in ran.err  # the model was there

    ran = search("accuracy >= 1.5")
    assert ran.code == 1
    assert "cannot: not even the lowest sparsity holds on val" in ran.out
    assert "Do not ship" in ran.out
    assert "broken, severe" in ran.out
    assert "model:" not in ran.out


@pytest.mark.parametrize(
    ("budget", "changes", "message"),
    [
        ("acuracy >= 0", {}, "unknown metric 'acuracy': did you mean accuracy"),
        ("accuracy[Mael] >= 0", {}, "unknown group 'Mael': did you mean Male"),
        ("accuracy at least 0.9", {}, "constraint 'accuracy at least 0.9': expected METRIC"),
        ("accuracy >= 0", {"--method": "oneshot"}, "did you mean one-shot"),
        ("accuracy >= 0", {"--sparsities": "50"}, "50 percent is 0.5"),
        ("accuracy >= 0", {"--sparsities": "half"}, "half: expected numbers by commas"),
        ("accuracy >= 0", {"--replicates": 0}, "expected at least 16"),
        ("accuracy >= 0", {"--recipe": "tny"}, "unknown recipe 'tny'"),
        ("accuracy >= 0", {"--data": "none.csv"}, "none.csv"),
    ],
)
def test_bad_options_get_one_error(tmp_path, search, budget, changes, message):
    ran = search(budget, **changes | {"-o": tmp_path / "out"})
    assert ran.code == 2
    assert ran.err.count("error:") == 1
    assert message in ran.err
    assert not (tmp_path / "out" / "models").exists()


def test_a_folder_of_another_search_is_left_alone(folder, search):
    assert search("accuracy >= 0").code == 0
    ran = search("accuracy >= 0", **{"--epochs": 2})
    assert ran.code == 2
    assert "holds a search with another recipe of one-shot" in ran.err


def test_a_policy_is_searched_under_as_well(folder, tmp_path, search):
    policy = tmp_path / "policy.yaml"
    asked = "{{name: Accuracy falls, metric: accuracy, attribute: {}, severe: 0.999}}"
    policy.write_text(f"version: 2\ncriteria:\n  - {asked.format('Smiling')}\n")
    ran = search(flags=["--json"], **{"--policy": policy})
    assert ran.code == 0, ran.err
    assert ran.json["criteria"] == ["Accuracy falls"]
    assert 0 < ran.json["choice"]["room"] < 1
    assert ran.json["trials"][0]["limit"] == 0.999
    policy.write_text(f"version: 2\ncriteria:\n  - {asked.format('Smilin')}\n")
    ran = search(**{"--policy": policy})
    assert ran.code == 2
    assert f"{policy}:3: criterion 'Accuracy falls': unknown attribute 'Smilin'" in ran.err
    ran = search("accuracy >= 0", **{"--policy": policy})
    assert ran.code == 2
    assert "--budget and --policy both say what is allowed: name one of them" in ran.err


def test_without_a_budget_the_shipped_policy_is_taken_which_60_faces_cannot_tell(search):
    ran = search()
    assert ran.code == 2
    assert "split val could not tell even of the dense model" in ran.err
    assert "Accuracy falls" in ran.err
