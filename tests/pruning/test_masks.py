import copy
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from prunescope.errors import CheckpointError, ConfigError
from prunescope.pruning import Masks, prunable_weights, strip


@pytest.fixture
def masks(fresh):
    """Every third weight is pruned."""
    return Masks(
        {
            name: (torch.arange(weight.numel()) % 3 > 0).view(weight.shape)
            for name, weight in prunable_weights(fresh).items()
        }
    )


def pruned_values(model, masks):
    return torch.cat([dict(model.named_parameters())[name][~mask] for name, mask in masks.items()])


def test_dense_keeps_all_of_every_layer(fresh):
    masks = Masks.dense(fresh, ignore="head")
    assert list(masks) == ["stem.weight", "body.weight"]
    assert masks.n_kept == masks.n_weights == 108 + 216
    assert masks.sparsity == 0


def test_counts_and_report_agree(fresh, masks):
    rows = masks.report()
    assert [row["layer"] for row in rows] == ["stem", "body", "head"]
    assert [row["shape"] for row in rows] == [(4, 3, 3, 3), (6, 4, 3, 3), (2, 6)]
    assert sum(row["weights"] for row in rows) == masks.n_weights == 336
    assert sum(row["kept"] for row in rows) == masks.n_kept == 224
    assert masks.sparsity == pytest.approx(1 / 3)
    for row in rows:
        assert row["weights"] == math.prod(row["shape"])
        assert row["sparsity"] == 1 - row["kept"] / row["weights"]


def test_repr(masks):
    assert repr(masks) == "Masks(3 layers, 224 of 336 weights kept, sparsity 0.333333)"


def test_equality(masks):
    same = Masks({name: mask.clone() for name, mask in masks.items()})
    other = dict(same)
    other["head.weight"] = ~other["head.weight"]
    assert masks == same
    assert masks != Masks(other)
    assert masks != Masks({"head.weight": masks["head.weight"]})
    assert masks != dict(masks)


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8])
def test_mask_must_be_boolean(dtype):
    with pytest.raises(ConfigError, match=f"mask of a holds {dtype}: expected torch.bool"):
        Masks({"a": torch.ones(2, dtype=dtype)})


def test_no_masks():
    with pytest.raises(ConfigError, match="masks are empty"):
        Masks({})


def test_apply_zeroes_the_pruned_and_nothing_else(fresh, masks):
    before = copy.deepcopy(fresh.state_dict())
    masks.apply_(fresh)
    for name, tensor in fresh.state_dict().items():
        expected = before[name] * masks[name] if name in masks else before[name]
        assert torch.equal(tensor, expected)


def test_apply_gives_plain_zeros_even_for_negative_and_not_finite_weights():
    model = nn.Linear(4, 1)
    model.weight.data = torch.tensor([[-1.0, math.nan, -math.inf, 2.0]])
    Masks({"weight": torch.tensor([[False, False, False, True]])}).apply_(model)
    assert model.weight.tolist() == [[0.0, 0.0, 0.0, 2.0]]
    assert not torch.signbit(model.weight).any()


def test_model_without_such_a_weight(fresh):
    masks = Masks({"haed.weight": torch.ones(2, 6, dtype=torch.bool)})
    with pytest.raises(CheckpointError, match=r"another architecture: .* did you mean head.weight"):
        masks.apply_(fresh)


def test_model_with_another_shape(fresh):
    masks = Masks({"head.weight": torch.ones(6, 2, dtype=torch.bool)})
    with pytest.raises(
        CheckpointError, match=r"head.weight has shape \(2, 6\) and its mask \(6, 2"
    ):
        masks.check(fresh)


def foreign_steps(model, optimizer, n_steps):
    """Train as a stranger's loop would."""
    torch.manual_seed(1)
    for _ in range(n_steps):
        optimizer.zero_grad()
        model(torch.randn(8, 3, 6, 6)).square().sum().backward()
        optimizer.step()


OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, weight_decay=0.01),
    "nesterov": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, nesterov=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.1, amsgrad=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_momentum_revives_pruned_weights_unless_they_are_held(fresh, masks, optimizer):
    optimizer = OPTIMIZERS[optimizer](fresh.parameters())
    foreign_steps(fresh, optimizer, 2)
    masks.apply_(fresh)
    foreign_steps(fresh, optimizer, 1)
    assert pruned_values(fresh, masks).abs().max() > 0  # what hold is for
    handle = masks.hold(fresh, optimizer)
    assert not pruned_values(fresh, masks).any()
    kept_before = fresh.head.weight[masks["head.weight"]].clone()
    for _ in range(3):
        foreign_steps(fresh, optimizer, 1)
        assert not pruned_values(fresh, masks).any()
    assert not torch.equal(fresh.head.weight[masks["head.weight"]], kept_before)
    handle.remove()
    foreign_steps(fresh, optimizer, 1)
    assert pruned_values(fresh, masks).abs().max() > 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_moments_of_pruned_weights_alone_are_forgotten(fresh, masks, optimizer):
    optimizer = OPTIMIZERS[optimizer](fresh.parameters())
    foreign_steps(fresh, optimizer, 2)
    before = copy.deepcopy(optimizer.state_dict()["state"])
    masks.forget(fresh, optimizer)
    after = optimizer.state_dict()["state"]
    names = [name for name, _ in fresh.named_parameters()]
    n_moments = 0
    for i, name in enumerate(names):
        for key, tensor in after[i].items():
            if name in masks and torch.is_tensor(tensor) and tensor.shape == masks[name].shape:
                assert torch.equal(tensor, before[i][key] * masks[name])
                n_moments += 1
            else:
                assert np.array_equal(tensor, before[i][key])
    assert n_moments >= len(masks)


def test_half_precision_weights_are_held(fresh, masks):
    model = fresh.bfloat16()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    masks.hold(model, optimizer)
    model(torch.randn(4, 3, 6, 6).bfloat16()).sum().backward()
    optimizer.step()
    assert model.head.weight.dtype == torch.bfloat16
    assert not pruned_values(model, masks).any()


def test_copies_of_model_and_masks_are_independent(fresh, masks):
    masks.apply_(fresh)
    model, twin = copy.deepcopy((fresh, masks))
    assert twin == masks
    assert not pruned_values(model, twin).any()
    model.head.weight.data.fill_(1)
    twin["head.weight"].fill_(True)
    assert not pruned_values(fresh, masks).any()


def test_save_and_load(masks, tmp_path):
    path = tmp_path / "new" / "masks.safetensors"
    masks.save(path)
    assert Masks.load(path) == masks
    assert [file.name for file in path.parent.iterdir()] == ["masks.safetensors"]


def test_the_order_of_layers_is_that_of_the_model_whatever_the_file_has(fresh, masks, tmp_path):
    masks.save(tmp_path / "masks")
    loaded = Masks.load(tmp_path / "masks")
    assert list(loaded) == ["body.weight", "head.weight", "stem.weight"]
    assert list(loaded.check(fresh)) == ["stem.weight", "body.weight", "head.weight"]
    loaded.hold(fresh, torch.optim.SGD(fresh.parameters(), lr=0.1)).remove()
    loaded.apply_(fresh)
    assert not pruned_values(fresh, masks).any()


@pytest.mark.parametrize("n_bytes", [0, 7, 40, -1])
def test_truncated_file(masks, tmp_path, n_bytes):
    path = tmp_path / "masks.safetensors"
    masks.save(path)
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(CheckpointError, match=r"cannot read masks from .*masks.safetensors"):
        Masks.load(path)


def test_absent_file(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot read masks from .*nothing"):
        Masks.load(tmp_path / "nothing")


def test_file_of_something_else(tmp_path):
    save_file({"head.weight": torch.ones(2)}, tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"holds torch.float32.* that Masks.save wrote"):
        Masks.load(tmp_path / "model")


def test_strip_bakes_zeros_into_a_copy(fresh, masks):
    optimizer = torch.optim.SGD(fresh.parameters(), lr=0.1)
    masks.hold(fresh, optimizer)
    foreign_steps(fresh, optimizer, 1)
    stripped = strip(fresh, masks)
    images = torch.randn(2, 3, 6, 6)
    assert torch.equal(stripped.eval()(images), fresh.eval()(images))
    assert not any(torch.signbit(stripped.get_parameter(n)[~m]).any() for n, m in masks.items())
    assert all(parameter.grad is None for parameter in stripped.parameters())
    foreign_steps(stripped, torch.optim.SGD(stripped.parameters(), lr=0.1), 1)
    assert pruned_values(stripped, masks).any()  # all weights train again
    assert not pruned_values(fresh, masks).any()
