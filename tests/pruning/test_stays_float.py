"""What stays float is seen, named, and weighed."""

import pytest
import torch
from torch import nn

from prunescope.models import Classifier, ModelSpec, Preprocessing, Quantized
from prunescope.pruning import what_stays_float


class Net(nn.Module):
    """A convolution of 4·3·9·16 = 1,728 MACs, a linear layer of 4·2 = 8, attention's 2·2·4·4."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, images):
        x = self.norm(self.conv(images))
        x = x + x
        tokens = x.flatten(2).transpose(1, 2)[:, :4]
        attended = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
        return self.head(attended.mean(1))


MACS = {"convolution": 1728, "addmm": 8, "bmm": 2 * 4 * 4 * 4}
WEIGHTS = {"conv": 4 * 27, "norm": 4 * 4 + 1, "head": 10}


def spec():
    return ModelSpec(
        arch="tests:net",
        attributes=("a", "b"),
        image_size=2,
        preprocessing=Preprocessing(input_size=4),
    )


def by_operation(model):
    return {part.operation: part for part in what_stays_float(model)}


def test_of_a_float_model_all_stays_float():
    model = Classifier(Net(), spec()).train()
    found = by_operation(model)
    assert model.training
    total = sum(MACS.values())
    for operation, macs in MACS.items():
        assert found[operation].share_macs == pytest.approx(macs / total)
    assert sum(part.share_macs for part in found.values()) == pytest.approx(1)
    weights = sum(WEIGHTS.values())
    assert found["convolution"].share_weights == pytest.approx(WEIGHTS["conv"] / weights)
    assert found["native_batch_norm"].share_weights == pytest.approx(16 / weights)
    assert found["addmm"].share_weights == pytest.approx(10 / weights)
    assert found["add"].layers == ("network",)
    assert found["upsample_nearest2d"].layers == ("preprocess",)
    assert found["_safe_softmax"].calls == 1
    assert "bias" not in found


def test_of_a_quantised_model_what_is_left():
    model = Quantized(Net(), spec(), layers=["conv"], folded=["norm"])
    found = by_operation(model)
    total = sum(MACS.values())
    assert "convolution" not in found
    assert "native_batch_norm" not in found
    assert found["addmm"].layers == ("network.head",)
    assert found["addmm"].share_macs == pytest.approx(8 / total)
    assert found["bias"].layers == ("network.conv",)
    stored = 4 * 27 + (4 + 4 + 2) + 10
    assert found["bias"].share_weights == pytest.approx(10 / stored)
    assert sum(part.share_macs for part in found.values()) == pytest.approx(136 / total)


def test_a_look_at_a_weight_is_no_work():
    class Looks(Net):
        def forward(self, images):
            return super().forward(images.to(self.conv.weight.dtype))

    plain, looks = (
        Quantized(network, spec(), layers=["conv"], folded=["norm"]) for network in (Net(), Looks())
    )
    assert what_stays_float(looks) == what_stays_float(plain)


def test_nothing_is_left_behind_on_the_model():
    model = Classifier(Net(), spec())
    what_stays_float(model)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert model(torch.zeros(1, 3, 2, 2)).requires_grad
