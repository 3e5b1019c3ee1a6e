import pytest
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from prunescope.errors import ConfigError
from prunescope.pruning import prunable_weights


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.stem = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.blocks = nn.Sequential(nn.Conv1d(4, 4, 1), nn.LayerNorm(4), nn.Conv3d(4, 4, 1))
        self.Classifier = nn.Linear(4, 2)


def test_only_convolutions_and_linear_layers_in_order():
    model = Net()
    weights = prunable_weights(model)
    assert list(weights) == [
        "stem.weight",
        "blocks.0.weight",
        "blocks.2.weight",
        "Classifier.weight",
    ]
    assert weights["stem.weight"] is model.stem.weight


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ("Classifier", ["stem", "blocks.0", "blocks.2"]),
        (["blocks.*"], ["stem", "Classifier"]),
        (("stem", "*.2"), ["blocks.0", "Classifier"]),
    ],
)
def test_ignored_layers_are_left_out(ignore, left):
    assert list(prunable_weights(Net(), ignore)) == [f"{layer}.weight" for layer in left]


def test_pattern_that_matches_nothing_names_the_nearest():
    with pytest.raises(ConfigError, match="'classifier': did you mean Classifier\\?"):
        prunable_weights(Net(), ["classifier"])


def test_a_normalisation_is_no_layer_to_ignore():
    with pytest.raises(ConfigError, match="unknown layer to ignore 'norm'"):
        prunable_weights(Net(), "norm")


def test_everything_ignored():
    with pytest.raises(ConfigError, match="leaves no layer to prune"):
        prunable_weights(Net(), "*")


def test_model_without_prunable_layers():
    with pytest.raises(ConfigError, match="Sequential has no layer to prune"):
        prunable_weights(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))


def test_bare_layer_is_named_weight():
    assert list(prunable_weights(nn.Linear(2, 2))) == ["weight"]


def test_shared_weight_stands_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert list(prunable_weights(model)) == ["0.weight"]


def test_computed_weight_is_not_a_parameter_and_is_left_alone():
    model = nn.Sequential(weight_norm(nn.Linear(3, 3)), nn.Linear(3, 2))
    assert list(prunable_weights(model)) == ["1.weight"]
