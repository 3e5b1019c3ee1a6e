"""What is left of a model is counted beside the dense one, however often it was compressed."""

import pytest
import torch
from torch import nn

from prunescope.pruning.left import count_left, left_after


def net(width, inputs=4, outputs=2):
    return nn.Sequential(nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.Linear(width, outputs))


def test_weights_of_convolutions_and_linear_layers_count_alone():
    found = count_left(net(8), net(8), {"0.weight": torch.arange(32).reshape(8, 4) < 8})
    assert found == {"weights_kept": (8 + 16) / 48, "weights_before": 48}


def test_channels_that_are_masked_are_gone_like_those_that_were_cut():
    rows = torch.arange(8).reshape(8, 1).expand(8, 4) < 2
    masked = count_left(net(8), net(8), {"0.weight": rows}, answers=["2"])
    cut = count_left(net(8), net(2), answers=["2"])
    assert masked["channels_kept"] == cut["channels_kept"] == 0.25
    assert masked["weights_kept"] == (8 + 16) / 48
    assert cut["weights_kept"] == (8 + 4) / 48


def test_a_second_compression_counts_from_the_first_model():
    first = {"method": "structured"} | count_left(net(8), net(4), answers=["2"])
    half = {"0.weight": torch.arange(16).reshape(4, 4) < 8}
    masked = left_after(first, count_left(net(4), net(4), half))
    assert masked["weights_kept"] == pytest.approx((8 + 8) / 48)
    assert masked["channels_kept"] == 0.5
    again = left_after(first, count_left(net(4), net(2), answers=["2"]))
    straight = count_left(net(8), net(2), answers=["2"])
    assert again == pytest.approx(straight)


def test_masks_in_place_of_masks_do_not_add_up():
    """New masks are of all weights that the model stores, those that were zero too."""
    first = {"method": "one-shot"} | count_left(net(8), net(8), {"0.weight": torch.zeros(8, 4) > 0})
    second = count_left(net(8), net(8), {"2.weight": torch.zeros(2, 8) > 0})
    assert left_after(first, second)["weights_kept"] == 32 / 48
    assert "channels_kept" not in left_after(first, second)


def test_what_the_first_does_not_tell_is_known_only_if_nothing_was_cut():
    second = count_left(net(4), net(4), {"0.weight": torch.zeros(4, 4) > 0})
    assert left_after({"method": "gmp-pt", "sparsity": 0.5}, second) == second
    unknown = left_after(
        {"method": "structured+tuned", "sparsity": 0.5}, second | {"sparsity": 0.5}
    )
    assert unknown == {"sparsity": 0.5}
