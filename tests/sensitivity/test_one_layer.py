"""One layer compressed alone, from cached values, is what pruning that layer alone gives."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

import prunescope as ps
from prunescope.pruning.structured import remove_channels
from prunescope.sensitivity.one_layer import Steps, UntraceableError, ask_layers, way_of
from prunescope.training import Processes, infer, reestimate_batch_norm

LAYERS = ["stem", "one.first", "one.second", "two.first", "two.second", "head"]
BATCHES = {"n_batches": 3, "batch_size": 30}


def ask(
    model, dataset, kind="sparsity", levels=(0.5, 0.9), pattern="unstructured",
    method="one-shot", **more,
):  # fmt: skip
    return ask_layers(
        model, dataset.split("train"), dataset.split("val"), way_of(kind, pattern, method), levels,
        **{**BATCHES, "seed": 0, **more},
    )  # fmt: skip


def reestimated(model, dataset):
    reestimate_batch_norm(model, dataset.split("train"), **BATCHES, seed=0)
    return infer(model, dataset.split("val"))


def by_name(asked):
    return {
        (branch.unit, branch.level): logits
        for branch, logits in zip(asked.branches, asked.outcome.logits, strict=True)
    }


def real_prune(model, dataset, level, layers, method="one-shot", **more):
    others = [name for name in LAYERS if name not in layers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = ps.prune(model, dataset.split("train"), method, level, ignore=others, **more)
    return infer(made.model, dataset.split("val"))


@pytest.fixture
def as_pruned(monkeypatch):
    monkeypatch.setattr("prunescope.training.batch_norm.N_BATCHES", 3)
    monkeypatch.setattr("prunescope.training.batch_norm.BATCH_SIZE", 30)


@pytest.mark.parametrize("pattern", ["unstructured", "block-1x4"])
def test_each_layer_answers_as_the_pruner_makes_it(network, dataset, as_pruned, pattern):
    ignore = "stem" if "block" in pattern else ()
    asked = ask(network, dataset, levels=(0.5, 0.75), pattern=pattern, ignore=ignore)
    found = by_name(asked)
    assert asked.outcome.whole is None
    assert len(found) == 2 * (6 if pattern == "unstructured" else 5)
    for (layer, level), logits in found.items():
        real = real_prune(network, dataset, level, [layer], pattern=pattern)
        assert np.abs(logits - real).max() < 1e-6, (layer, level)


def test_layers_that_go_together_are_pruned_alike(network, dataset, as_pruned):
    found = by_name(ask(network, dataset, levels=(0.75,), together=["one.*"]))
    assert [unit for unit, _ in found] == ["stem", "one.*", "two.first", "two.second", "head"]
    both = ["one.first", "one.second"]
    real = real_prune(network, dataset, 0.75, both, distribution="uniform")
    assert np.abs(found["one.*", 0.75] - real).max() < 1e-6


@pytest.mark.parametrize("pattern", ["unstructured", "2:4"])
def test_reconstructed_layers_are_those_of_the_pruner(network, dataset, as_pruned, pattern):
    """Layers that go together, too: the second makes up for the first."""
    how = {"method": "reconstruct", "pattern": pattern}
    more = {"levels": (0.5,), "ignore": "stem"}
    found = by_name(ask(network, dataset, together=["one.*"], **more, **how))
    assert [unit for unit, _ in found] == ["one.*", "two.first", "two.second", "head"]
    plain = by_name(ask(network, dataset, pattern=pattern, **more))
    shared = {} if pattern == "2:4" else {"distribution": "uniform"}
    for (layer, level), logits in found.items():
        layers = ["one.first", "one.second"] if layer == "one.*" else [layer]
        real = real_prune(network, dataset, level, layers, **how, **shared)
        assert np.abs(logits - real).max() < 1e-6, layer
        if layer in ("two.first", "head"):
            assert np.abs(logits - plain[layer, level]).max() > 1e-3


def test_reconstructed_bits_are_those_of_the_pruner(network, dataset, as_pruned):
    asked = ask(network, dataset, "bits", (3,), method="reconstruct")
    for (layer, level), logits in by_name(asked).items():
        real = real_prune(network, dataset, 0.0, [layer], "reconstruct", bits=int(level))
        assert np.abs(logits - real).max() < 1e-6, layer


def test_rounding_is_that_of_the_pruner(network, dataset, as_pruned):
    for (layer, level), logits in by_name(ask(network, dataset, "bits", (4, 2))).items():
        made = ps.prune(network, dataset.split("train"), "one-shot", 0.0, bits={layer: int(level)})
        assert np.abs(logits - infer(made.model, dataset.split("val"))).max() < 1e-6


def test_channels_go_as_they_are_removed(network, dataset, images):
    asked = ask(network, dataset, "channels", (0.5,))
    found = by_name(asked)
    assert {unit for unit, _ in found} == {"stem", "one.first", "two.first"}
    for row in asked.rows:
        others = {"stem", "one.first", "two.first"} - {row["layer"]}
        smaller = remove_channels(network, 0.5, example=images[:1], ignore=sorted(others))
        real = reestimated(smaller, dataset)
        assert np.abs(found[row["layer"], 0.5] - real).max() < 1e-5
        left = sum(
            p.numel() for n, p in smaller.named_parameters() if n[-6:] == "weight" and p.ndim > 1
        )
        gone = sum(
            p.numel() for n, p in network.named_parameters() if n[-6:] == "weight" and p.ndim > 1
        )
        own = {"stem": 8 * 3 * 9 + 2 * 64 * 9 + 2 * 96 * 9 + 16, "one.first": 2 * 64 * 9,
               "two.first": 2 * 96 * 9}[row["layer"]]  # fmt: skip
        assert row["kept"] == own - (gone - left)
    stream = next(unit for unit in asked.units if unit.name == "stem")
    assert set(stream.layers) == {"stem", "one.second", "two.second"}


def test_the_dense_network_with_new_statistics_stands_beside(network, dataset):
    asked = ask(network, dataset)
    assert np.abs(asked.dense - infer(network, dataset.split("val"))).max() == 0
    real = reestimated(copy.deepcopy(network), dataset)
    assert np.abs(asked.outcome.plain - real).max() < 1e-6
    assert np.abs(real - asked.dense).max() > 1e-3


def test_the_error_is_that_of_the_layers_output(network, dataset):
    """By hand, for the stem, whose inputs are the images themselves."""
    asked = ask(network, dataset, levels=(0.5,))
    order = np.random.default_rng(0).permutation(100)[:90]
    images = torch.from_numpy(dataset.split("train").images(order)).float() / 255
    weight = network.stem.weight.detach()
    cut = (
        weight.abs() >= weight.abs().flatten().sort(descending=True).values[weight.numel() // 2 - 1]
    )
    bias = network.stem.bias.detach()
    dense = functional.conv2d(images, weight, bias, padding=1)
    own = functional.conv2d(images, weight * cut, bias, padding=1)
    expected = (((own - dense) ** 2).sum() / (dense**2).sum()).item()
    assert asked.outcome.errors[0] == pytest.approx(expected, rel=1e-4)


def test_a_pass_costs_what_comes_after_the_layer(network, dataset):
    """Count convolutions: each batch takes the shared steps once, and each level its own."""

    class Count(TorchDispatchMode):
        n = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            self.n += func.overloadpacket is torch.ops.aten.convolution
            return func(*args, **(kwargs or {}))

    counts = []
    for levels in ((0.5,), (0.5, 0.9)):
        with Count() as counting:
            ask(network, dataset, levels=levels)
        counts.append(counting.n)
    # Five convolutions lie at and after the stem, four at and after the next …, none of the head.
    after = 5 + 4 + 3 + 2 + 1
    assert counts[1] - counts[0] == (3 + 1) * after


def test_whole_passes_give_the_same_where_a_network_cannot_be_traced(network, dataset, residual):
    class Untraceable(residual):
        def forward(self, images):
            shade = images.mean().item()  # data decide
            return super().forward(images if shade < 2 else images * 0)

    hidden = Untraceable().eval()
    hidden.load_state_dict(network.state_dict())
    traced, whole = ask(network, dataset), ask(hidden, dataset)
    assert "torch.export cannot follow it" in whole.outcome.whole
    assert np.abs(traced.outcome.logits - whole.outcome.logits).max() < 1e-6
    assert np.abs(traced.outcome.plain - whole.outcome.plain).max() < 1e-6
    assert np.isnan(whole.outcome.errors).all()


class Odd(nn.Module):
    """Has a layer that nothing reaches, one that is used twice, attention, and a dead channel."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.spare = nn.Conv2d(8, 8, 1)
        self.norm, self.other = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.twice = nn.Conv2d(8, 8, 1)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.head = nn.Linear(8, 2)
        self.stem.weight.data[0] = 0

    def forward(self, images):
        x = self.norm(self.stem(images)).relu()
        x = self.other(self.twice(self.twice(x)))
        tokens = x.flatten(2).transpose(1, 2)
        tokens, _ = self.attention(tokens, tokens, tokens)
        return self.head(tokens.mean(1))


@pytest.mark.parametrize(("kind", "level"), [("sparsity", 0.5), ("bits", 3)])
def test_odd_layers(dataset, images, settled, kind, level, seed):
    torch.manual_seed(seed)
    model = settled(Odd(), images)
    asked = ask(model, dataset, kind, (level,))
    assert asked.outcome.whole is None
    reasons = {row["layer"]: row.get("reason") for row in asked.rows}
    assert "no inputs" in reasons.pop("spare")
    assert set(reasons.values()) == {None}
    found = by_name(asked)
    for branch in asked.branches:
        changed = copy.deepcopy(model)
        for name, weight in branch.weights.items():
            changed.get_parameter(name).data.copy_(weight)
        real = reestimated(changed, dataset)
        assert np.abs(found[branch.unit, level] - real).max() < 1e-5, branch.unit
    assert (asked.outcome.errors > 0).all()


def test_a_weight_that_is_no_number_is_named(network, dataset):
    broken = copy.deepcopy(network)
    broken.two.first.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(ps.PrunescopeError, match=r"two\.first has numbers that are NaN"):
        ask(broken, dataset)


def test_what_cannot_be_is_told_level_by_level(network, dataset):
    asked = ask(network, dataset, levels=(0.5,), pattern="2:4")
    told = {row["layer"]: row.get("reason") for row in asked.rows}
    assert "multiple of 4, unlike stem with 3" in told["stem"]
    assert told["one.first"] is None
    with pytest.raises(
        ps.PrunescopeError, match=r"no layer can be looked at: stem: .*expected spars"
    ):
        ask(network, dataset, levels=(0.6,), pattern="2:4")


def test_normalisation_by_hand_is_not_traced(residual, images):
    class Own(nn.BatchNorm2d):
        def forward(self, x):
            return (x - self.running_mean[:, None, None]) * self.weight[:, None, None]

    model = residual()
    model.stem_norm = Own(8)
    with pytest.raises(UntraceableError, match="no operation of its own"):
        Steps(model.eval(), images[:4])


def test_a_killed_run_goes_on_to_the_same_bits(network, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("prunescope.sensitivity.one_layer.state.SAVE_EVERY", 0)
    monkeypatch.setattr("prunescope.sensitivity.one_layer.run.BATCH_SIZE", 64)
    whole = ask(network, dataset)

    class KilledError(Exception):
        pass

    for at in range(1, 7):

        def die(done, total, note, at=at):
            if note == "passes":
                assert total == 3 + 4
                if done == at:
                    raise KilledError

        with pytest.raises(KilledError):
            ask(network, dataset, state_dir=tmp_path, progress=die)
    calls = []
    done = ask(network, dataset, state_dir=tmp_path, progress=lambda *told: calls.append(told))
    assert [done for done, _, note in calls if note == "passes"] == [6, 7]
    assert np.array_equal(done.outcome.logits, whole.outcome.logits)
    assert np.array_equal(done.outcome.plain, whole.outcome.plain)
    assert np.array_equal(done.outcome.errors, whole.outcome.errors)
    other = ask(network, dataset, levels=(0.9,), state_dir=tmp_path)
    assert len(other.branches) == 6
    (tmp_path / "passes.safetensors").write_bytes(b"damaged")
    again = ask(network, dataset, state_dir=tmp_path)
    assert np.array_equal(again.outcome.logits, whole.outcome.logits)


def test_several_processes_are_refused(network, dataset, monkeypatch):
    monkeypatch.setattr(Processes, "current", lambda: Processes(1, 2))
    with pytest.raises(ps.PrunescopeError, match="looked at by one process"):
        ask(network, dataset)
