"""What layers multiply: W·X, as matrices, is what the layer gives."""

import pytest
import torch
from torch import nn

from prunescope.pruning.layers import module_of
from prunescope.pruning.seen import (
    as_matrices,
    from_matrices,
    groups_of,
    inputs_of,
    order_of_calls,
)

LAYERS = {
    "plain": (nn.Conv2d(4, 6, 3, padding=1, bias=False), (2, 4, 5, 7)),
    "stride, dilation, oblong": (
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(2, 0), dilation=(1, 2), bias=False),
        (2, 4, 7, 8),
    ),
    "grouped": (nn.Conv2d(4, 6, 3, groups=2, bias=False), (2, 4, 5, 5)),
    "depthwise": (nn.Conv2d(4, 8, 3, groups=4, padding="same", bias=False), (2, 4, 5, 5)),
    "reflected": (nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect", bias=False), (2, 2, 5, 5)),
    "1 × 1": (nn.Conv2d(4, 2, 1, bias=False), (2, 4, 3, 3)),
    "one dimension": (nn.Conv1d(4, 2, 3, stride=2, bias=False), (2, 4, 9)),
    "three": (nn.Conv3d(2, 2, (1, 2, 3), bias=False), (2, 2, 3, 4, 5)),
    "linear": (nn.Linear(4, 3, bias=False), (2, 5, 4)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_weights_times_inputs_are_what_a_layer_gives(kind, seed):
    torch.manual_seed(seed)
    layer, shape = LAYERS[kind]
    model, images = nn.Sequential(layer).double().eval(), torch.randn(shape).double()
    [columns] = inputs_of(model, "0.weight", images, 1)
    matrices = as_matrices(layer.weight, groups_of(layer, "0.weight"))
    made = torch.cat([w @ x for w, x in zip(matrices, columns, strict=True)])
    given = model(images).detach()
    channels = given.movedim(-1 if kind == "linear" else 1, 0)
    torch.testing.assert_close(made, channels.reshape(len(channels), -1))
    torch.testing.assert_close(from_matrices(matrices, layer.weight), layer.weight.data)


class Attends(nn.Module):
    def __init__(self, kdim=None):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, kdim=kdim, batch_first=True)

    def forward(self, x):
        other = x if self.attention._qkv_same_embed_dim else x[..., :2]
        value = x if other is x else x * 2
        return self.attention(x, other, value)[0]


def test_attention_sees_its_queries_and_what_it_attended_to(seed):
    torch.manual_seed(seed)
    model, x = Attends().eval(), torch.randn(2, 3, 4)
    names = ["attention.in_proj_weight", "attention.out_proj.weight"]
    assert order_of_calls(model, names, x) == dict.fromkeys(names, 1)
    before = model.state_dict()["attention.out_proj.weight"].clone()
    [parts] = inputs_of(model, names[0], x, 1)
    assert groups_of(model.attention, names[0]) == len(parts) == 3
    assert all(torch.equal(part, x.reshape(-1, 4).t()) for part in parts)
    [[attended]] = inputs_of(model, names[1], x, 1)
    own = model.attention.out_proj
    torch.testing.assert_close(own(attended.t()).view(2, 3, 4), model(x))
    assert torch.equal(model.state_dict()["attention.out_proj.weight"], before)


def test_projections_of_their_own_see_what_they_project(seed):
    torch.manual_seed(seed)
    model, x = Attends(kdim=2).eval(), torch.randn(2, 3, 4)
    seen = {
        one: inputs_of(model, f"attention.{one}_proj_weight", x, 1)[0][0] for one in ("q", "k", "v")
    }
    assert torch.equal(seen["q"], x.reshape(-1, 4).t())
    assert torch.equal(seen["k"], x[..., :2].reshape(-1, 2).t())
    assert torch.equal(seen["v"], 2 * x.reshape(-1, 4).t())


class Twice(nn.Module):
    """One layer used twice, one whose weight another shares, one that is never called."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = (nn.Linear(2, 2, bias=False) for _ in range(3))
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(self.a(self.a(x)))


def test_every_call_counts_and_nothing_behind_the_last(seed):
    torch.manual_seed(seed)
    model, x = Twice(), torch.randn(3, 2)
    assert order_of_calls(model, ["a.weight", "c.weight"], x) == {"a.weight": 3}
    calls = inputs_of(model, "a.weight", x, 3)
    w, expected = model.a.weight.detach(), x
    for [columns] in calls:
        torch.testing.assert_close(columns, expected.t())
        expected = expected @ w.t()
    ran = []
    behind = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    behind[1].register_forward_hook(lambda *_: ran.append(1))
    inputs_of(behind, "0.weight", x, 1)
    assert not ran
    assert not behind[0]._forward_pre_hooks
    assert module_of("0.weight") == "0"
