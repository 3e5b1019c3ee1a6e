"""Each measure against the control, on a bias that was planted; masks, and interruptions."""

import pytest
import torch

from prunescope.errors import CheckpointError, ConfigError, DataError
from prunescope.mitigate.finetune import MEASURES, Constraint, finetune
from prunescope.pruning import Masks
from prunescope.training import Callback, Distill, Recipe, infer

RECIPE = Recipe(
    steps=120, batch_size=400, learning_rate=1.0, warmup=0.0, flip=False, deterministic=True
)
CHOICES = {
    "constrain": {"groups": "side", "constraint": Constraint(tolerance=0.0, rate=0.05, buffer=100)},
    "balance-groups": {"groups": "side"},
    "distill": {"distillation": Distill(weight=0.9)},
}


def run(planted, pruned, dense, measure, recipe=RECIPE, **options):
    model, masks = pruned
    options = CHOICES.get(measure, {}) | options
    return finetune(model, masks, dense, planted, measure, recipe=recipe, device="cpu", **options)


def answers(model, planted):
    return infer(model, planted, device="cpu") > 0


def accuracy_of_bent(found, planted, side):
    samples = planted.samples
    chosen = samples.groups["side"].codes == "ab".index(side)
    return (answers(found.model, planted)[:, 0] == samples.labels[:, 0])[chosen].mean()


def test_constraints_lower_the_excess_gap_that_was_planted(planted, pruned, oracle):
    control, constrained = (
        run(planted, pruned, oracle, measure) for measure in ("none", "constrain")
    )

    def excess(found):  # the oracle makes no mistake, so b's gap is its error
        of_b = 1 - accuracy_of_bent(found, planted, "b")
        right = answers(found.model, planted)[:, 0] == planted.samples.labels[:, 0]
        return of_b - (1 - right.mean())

    assert excess(control) > 0.15
    assert abs(excess(constrained)) < excess(control) / 5
    assert "excess gaps are above 0 in training" in constrained.notes[-1]


def test_balanced_groups_help_the_small_one(planted, pruned, oracle):
    control, balanced = (
        run(planted, pruned, oracle, measure) for measure in ("none", "balance-groups")
    )
    of_b = [accuracy_of_bent(found, planted, "b") for found in (control, balanced)]
    assert of_b[1] > of_b[0] + 0.1


def test_balanced_labels_raise_the_rare_value_ratio(planted, pruned, oracle):
    rates = []
    for measure, options in (("none", {}), ("balance-labels", {"max_ratio": 2.0}),
                             ("balance-labels", {"max_ratio": 1e9})):  # fmt: skip
        found = run(planted, pruned, oracle, measure, **options)
        rates.append(answers(found.model, planted)[:, 1].mean())
    true = planted.samples.labels[:, 1].mean()
    assert rates[0] / true < 0.6
    assert rates[0] < rates[1] < rates[2]
    assert rates[2] / true > 1.2


def test_distilled_answers_are_nearer_to_the_teacher(planted, pruned, oracle):
    with torch.no_grad():  # a teacher who takes everyone for group b
        oracle.forward = lambda images: 4 * oracle.features(images)[:, [1, 1]]
    told = answers(oracle, planted)
    apart = [
        (answers(run(planted, pruned, oracle, measure).model, planted) != told).mean()
        for measure in ("none", "distill")
    ]
    assert apart[1] < apart[0] - 0.1


@pytest.mark.parametrize("measure", MEASURES)
def test_masks_hold_and_what_was_given_stays(planted, pruned, oracle, measure):
    model, masks = pruned
    before = [
        {name: value.clone() for name, value in given.state_dict().items()}
        for given in (model, oracle)
    ]
    found = run(planted, pruned, oracle, measure, RECIPE.replace(steps=5, weight_decay=0.1))
    weight = found.model.head.weight
    assert torch.equal(weight != 0, masks["head.weight"])
    assert not torch.equal(weight, model.head.weight)
    for given, old in zip((model, oracle), before, strict=True):
        assert all(torch.equal(value, old[name]) for name, value in given.state_dict().items())
    assert found.settings["measure"] == measure
    assert not found.model.training


def test_measures_differ_from_the_control(planted, pruned, oracle):
    weights = {
        measure: run(planted, pruned, oracle, measure, RECIPE.replace(steps=10)).model.head.weight
        for measure in MEASURES
    }
    for measure in MEASURES.keys() - {"none"}:
        assert not torch.equal(weights[measure], weights["none"]), measure


def test_without_masks_all_weights_train(planted, pruned, oracle):
    found = run(planted, (pruned[0], None), oracle, "none", RECIPE.replace(steps=3))
    assert found.model.head.weight.count_nonzero() == 6


class Stop(BaseException):
    pass


class Interrupt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_start(self, state):
        if state.step == self.step:
            raise Stop


@pytest.mark.parametrize("measure", MEASURES)
def test_an_interrupted_run_resumes_to_the_same_bits(planted, pruned, oracle, measure, tmp_path):
    recipe = RECIPE.replace(steps=30, optimizer="adam", learning_rate=0.05)

    def go(step):
        return run(planted, pruned, oracle, measure, recipe, callbacks=[Interrupt(step)],
                   resume_dir=tmp_path / str(step > 0))  # fmt: skip

    whole = go(-1)
    with pytest.raises(Stop):
        go(17)  # in the second epoch of twelve steps
    resumed = run(planted, pruned, oracle, measure, recipe, callbacks=[Interrupt(-1)],
                  resume_dir=tmp_path / "True")  # fmt: skip
    assert torch.equal(whole.model.head.weight, resumed.model.head.weight)
    assert whole.notes == resumed.notes


@pytest.mark.parametrize(
    ("measure", "change", "message"),
    [
        ("constrain", {"constraint": Constraint(tolerance=0.5)}, "constraints with other settings"),
        ("balance-labels", {"max_ratio": 1.5}, "weighs labels in another way"),
    ],
)
def test_a_run_with_other_settings_is_not_resumed(
    planted, pruned, oracle, measure, change, message, tmp_path
):
    recipe = RECIPE.replace(steps=3)
    run(planted, pruned, oracle, measure, recipe, resume_dir=tmp_path)
    with pytest.raises(CheckpointError, match=message):
        run(planted, pruned, oracle, measure, recipe, resume_dir=tmp_path, **change)


def test_bad_input_is_refused(planted, pruned, oracle):
    model, masks = pruned
    with pytest.raises(ConfigError, match="unknown measure 'constrian': did you mean constrain"):
        finetune(model, masks, oracle, planted, "constrian")
    with pytest.raises(ConfigError, match="distilling learns from the dense model"):
        finetune(model, masks, None, planted, "distill")
    with pytest.raises(ConfigError, match=r"looks at groups, and none is named: .* side"):
        finetune(model, masks, oracle, planted, "constrain")
    with pytest.raises(ConfigError, match="unknown group 'sides': did you mean side"):
        finetune(model, masks, oracle, planted, "balance-groups", groups="sides")
    with pytest.raises(ConfigError, match=r"none does not ask for groups: .* choose constrain or"):
        finetune(model, masks, oracle, planted, "none", groups="side")
    with pytest.raises(ConfigError, match=r"ratio of weights of 0\.0: expected at least 1"):
        finetune(model, masks, oracle, planted, "balance-labels", max_ratio=0.0)
    with pytest.raises(ConfigError, match="a buffer of 10 outcomes never holds the 30"):
        finetune(model, masks, oracle, planted, "constrain", groups="side",
                 constraint=Constraint(buffer=10))  # fmt: skip
    with pytest.raises(DataError, match="no group value has 5000 labels"):
        finetune(model, masks, oracle, planted, "constrain", groups="side",
                 constraint=Constraint(buffer=5000, min_support=5000))  # fmt: skip
    other = Masks({"tail.weight": torch.ones(2, 3, dtype=torch.bool)})
    with pytest.raises(CheckpointError, match="another architecture"):
        finetune(model, other, oracle, planted, "none")
