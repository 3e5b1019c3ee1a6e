"""The method: whole networks, what it leaves, how it goes on, what it refuses."""

import copy
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from prunescope.errors import CheckpointError, ConfigError, PrunescopeWarning, TrainingError
from prunescope.models import to_unit_range
from prunescope.pruning import prune
from prunescope.pruning.methods import reconstruct
from prunescope.training import Recipe, infer, reestimate_batch_norm

PATTERNS = {"unstructured": (0.6, 806), "2:4": (0.5, 1008), "block-1x4": (0.5, 1008)}


@pytest.fixture
def dense(trained, dataset):
    """Return a net whose normalisation expects these images."""
    reestimate_batch_norm(trained, dataset, n_batches=1, batch_size=64, seed=0)
    return trained.eval()


def run(model, dataset, sparsity=0.6, **options):
    return prune(model, dataset, "reconstruct", sparsity, device="cpu", **options)


def change(model, other, dataset):
    return float(((infer(model, dataset) - infer(other, dataset)) ** 2).mean())


@pytest.fixture
def layers(seed):
    """Return three linear layers of 2,016 weights, without normalisation."""
    torch.manual_seed(seed)
    steps = (nn.Flatten(), nn.Linear(108, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU())
    return nn.Sequential(*steps, nn.Linear(16, 2)).eval()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_answers_change_less_than_at_once_by_magnitude(layers, dataset, pattern):
    dense, before = layers, copy.deepcopy(layers.state_dict())
    sparsity, n_kept = PATTERNS[pattern]
    made = run(dense, dataset, sparsity, pattern=pattern)
    plain = prune(dense, dataset, "one-shot", sparsity, device="cpu", pattern=pattern)
    assert made.masks.n_kept == plain.masks.n_kept == n_kept
    for name, mask in made.masks.items():
        assert not made.model.get_parameter(name)[~mask].any()
    assert change(made.model, dense, dataset) < 0.7 * change(plain.model, dense, dataset)
    assert all(torch.equal(before[key], value) for key, value in dense.state_dict().items())
    assert made.compression["score"] == "second-order"
    assert made.compression["calibration_images"] == 64  # all, as there are no 2,048


def test_a_layer_alone_is_the_least_squares_fit_to_what_the_dense_one_gives(dense, dataset):
    """Of the last layer: by numpy, from the features that the images have there."""
    made = run(dense, dataset, 0.5, ignore=["stem", "body"])
    features = []
    dense.head.register_forward_pre_hook(lambda _, args: features.append(args[0].detach()))
    with torch.no_grad():
        dense(to_unit_range(torch.from_numpy(dataset.images(np.arange(64)))))
    x = features[0].double().numpy()
    moments = x.T @ x / 64
    moments += reconstruct.DAMPING * np.trace(moments) / 6 * np.eye(6)
    root, weight = np.linalg.cholesky(moments).T, made.model.head.weight.detach().numpy()
    for row, mask, own in zip(dense.head.weight, made.masks["head.weight"], weight, strict=True):
        kept = np.flatnonzero(mask)
        target = root @ row.detach().double().numpy()
        expected = np.linalg.lstsq(root[:, kept], target, rcond=None)[0]
        np.testing.assert_allclose(own[kept], expected, atol=1e-5)


def test_layers_before_are_made_up_for(layers, dataset, monkeypatch):
    """Fitted to what the dense model gives, not to what its own inputs make of its weights."""
    dense = layers
    made = run(dense, dataset, 0.7)
    moments = reconstruct._Work._moments

    def own(self, name, *, beside):
        found = moments(self, name, beside=beside)
        return [[totals[0]] * len(totals) for totals in found]

    monkeypatch.setattr(reconstruct._Work, "_moments", own)
    blind = run(dense, dataset, 0.7)
    assert change(made.model, dense, dataset) < change(blind.model, dense, dataset)


def test_bits_alone_and_with_sparsity(dense, dataset):
    changes = []
    for bits in (8, 4, 2):
        made = run(dense, dataset, 0.0, bits=bits)
        assert made.masks.sparsity == 0
        assert made.compression["layer_bits"] == {"*": bits}
        for layer in (made.model.stem, made.model.body, made.model.head):
            for row in layer.weight.detach().flatten(1):
                assert len(row.unique()) <= 2**bits - 1
        changes.append(change(made.model, dense, dataset))
    assert changes == sorted(changes)
    both = run(dense, dataset, 0.5, bits=4)
    assert both.masks.n_kept == 168
    assert not both.model.body.weight[~both.masks["body.weight"]].any()
    assert max(len(row.unique()) for row in both.model.body.weight.detach().flatten(1)) <= 15


def test_shares_can_be_told(dense, dataset):
    by_error = run(dense, dataset, 0.6)
    assert by_error.compression["distribution"] == "error"
    for told in ({"distribution": "global"}, {"distribution": "uniform"}):
        made = run(dense, dataset, 0.6, **told)
        plain = prune(dense, dataset, "one-shot", 0.6, device="cpu", **told)
        assert made.compression["distribution"] == told["distribution"]
        for name, mask in made.masks.items():
            assert mask.sum() == plain.masks[name].sum()
    assert run(dense, dataset, 0.6, layers={"body": 0.5}).masks["body.weight"].sum() == 108


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(dense, dataset, tmp_path, monkeypatch):
    whole = run(dense, dataset, 0.6)
    fitted = reconstruct._Work._fit
    calls = []

    def stops(self, name, n_kept):
        calls.append(name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return fitted(self, name, n_kept)

    monkeypatch.setattr(reconstruct._Work, "_fit", stops)
    with pytest.raises(KeyboardInterrupt):
        run(dense, dataset, 0.6, resume_dir=tmp_path)
    monkeypatch.setattr(
        reconstruct._Work, "_curve", lambda *_: pytest.fail("the shares were found already")
    )
    resumed = run(dense, dataset, 0.6, resume_dir=tmp_path)
    assert calls == ["stem.weight", "body.weight", "body.weight", "head.weight"]
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[key])
    assert resumed.masks == whole.masks
    with pytest.raises(CheckpointError, match="holds what another run has not finished"):
        run(dense, dataset, 0.7, resume_dir=tmp_path)
    (tmp_path / "layer-0.safetensors").write_bytes(b"no")
    with pytest.raises(CheckpointError, match="cannot go on from"):
        run(dense, dataset, 0.6, resume_dir=tmp_path)


def test_training_may_follow(dense, dataset):
    recipe = Recipe(steps=4, batch_size=16, learning_rate=0.01, deterministic=True)
    made = run(dense, dataset, 0.6, recipe=recipe)
    assert len(made.history.epochs) == 1
    for name, mask in made.masks.items():
        assert not made.model.get_parameter(name)[~mask].any()
    with pytest.raises(ConfigError, match="training would not keep weights that are rounded"):
        run(dense, dataset, 0.6, recipe=recipe, bits=4)


class Odd(nn.Module):
    """A transposed convolution, a layer that is not called, and one that is."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(3, 4, 2)
        self.idle = nn.Linear(4, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, images):
        return self.head(self.up(images).relu().mean((2, 3)))


def test_layers_without_inputs_are_pruned_by_magnitude_and_named(dataset, seed):
    torch.manual_seed(seed)
    model = Odd()
    with pytest.warns(PrunescopeWarning, match="up, idle: no input of theirs is seen"):
        made = run(model, dataset, 0.5)
    assert made.compression["by_magnitude"] == ["up", "idle"]
    for layer in ("up", "idle"):
        mask, weight = made.masks[f"{layer}.weight"], model.get_parameter(f"{layer}.weight")
        assert mask.sum() == mask.numel() // 2
        assert weight[mask].abs().min() >= weight[~mask].abs().max()
        assert torch.equal(made.model.get_parameter(f"{layer}.weight"), weight * mask)
    assert made.masks.n_kept == 36


def test_dead_channels_and_fewer_images_than_inputs(dense, dataset):
    with torch.no_grad():
        dense.stem_norm.weight[1] = 0
        dense.stem_norm.bias[1] = -1  # never above 0: the layer behind sees nothing of it
    made = run(dense, dataset, 0.6, calibration_images=1)
    assert all(value.isfinite().all() for value in made.model.state_dict().values())
    assert not made.masks["body.weight"][:, 1].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 1}, "1 bits: expected a whole number from 2 to 8"),
        ({"pattern": "channel"}, "pattern channel removes whole outputs"),
        ({"score": "taylor"}, "reconstruct has a score of its own"),
        ({"calibration_images": 0}, "calibration on 0 images"),
    ],
)
def test_what_makes_no_sense_is_refused(dense, dataset, options, message):
    with pytest.raises(ConfigError, match=message):
        run(dense, dataset, **options)


def test_bits_are_of_methods_that_do_not_train(dense, dataset):
    with pytest.raises(ConfigError, match="gmp-pt leaves weights as floats"):
        prune(dense, dataset, "gmp-pt", 0.5, bits=4)


def test_numbers_that_are_none_are_told(dense, dataset):
    broken = copy.deepcopy(dense)
    broken.body_norm.bias.data[0] = torch.inf
    with pytest.raises(TrainingError, match="head sees inputs that are NaN or infinite"):
        run(broken, dataset)
    dense.body.weight.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(TrainingError, match="body has numbers that are NaN"):
        run(dense, dataset)


def test_a_layer_that_loses_its_last_weight_is_named(layers, dataset, monkeypatch):
    shares = {"1.weight": 200, "3.weight": 0, "5.weight": 32}
    monkeypatch.setattr(reconstruct._Work, "_by_curves", lambda _: shares)
    with pytest.warns(PrunescopeWarning, match="leaves no weight of 3"):
        made = run(layers, dataset, 0.8)
    assert not made.masks["3.weight"].any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_models_in_half_precision(layers, dataset, dtype, tmp_path):
    model = nn.Sequential(Cast(dtype), copy.deepcopy(layers).to(dtype))
    made = run(model, dataset, 0.5, resume_dir=tmp_path)
    assert made.masks.n_kept == 1008
    exact = run(nn.Sequential(Cast(torch.float32), layers), dataset, 0.5)
    same = sum((made.masks[name] == exact.masks[name]).sum() for name in exact.masks)
    assert same / 2016 > 0.95


class Cast(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        return x.to(self.dtype)


def test_inputs_whose_products_vanish_count_as_none(layers, dataset):
    with torch.no_grad():
        for index in (1, 3):
            layers[index].weight.mul_(1e-13)
            layers[index].bias.zero_()
    made = run(layers, dataset, 0.0, bits=3)
    assert all(value.isfinite().all() for value in made.model.state_dict().values())


@pytest.mark.parametrize("method", ["one-shot", "reconstruct"])
def test_layers_to_ignore_keep_their_bits(dense, dataset, method):
    made = prune(dense, dataset, method, 0.5, ignore="head", bits=3, device="cpu")
    assert torch.equal(made.model.head.weight, dense.head.weight)
    assert max(len(row.unique()) for row in made.model.body.weight.detach().flatten(1)) <= 7


def test_what_was_told_of_layers_is_recorded(dense, dataset):
    assert run(dense, dataset, 0.6, layers={"body": 0.5}).compression["distribution"] == "per-layer"


def test_a_run_on_other_images_does_not_go_on(dense, dataset, tmp_path):
    run(dense, dataset, 0.5, resume_dir=tmp_path)
    ids = pl.Series([f"other-{i}" for i in range(64)])
    other = replace(dataset, samples=replace(dataset.samples, ids=ids))
    with pytest.raises(CheckpointError, match="holds what another run has not finished"):
        run(dense, other, 0.5, resume_dir=tmp_path)
