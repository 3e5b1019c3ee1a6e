from collections import namedtuple

import pytest
import torch
from torch import nn
from transformers.modeling_outputs import ImageClassifierOutput

from prunescope.errors import ConfigError
from prunescope.models.classifier import Classifier, ModelSpec, logits_of
from prunescope.models.preprocessing import Preprocessing


class Answer:
    def __init__(self, logits):
        self.logits = logits


class Network(nn.Module):
    """Answers with the mean of each channel, as a tensor or as transformers would."""

    def __init__(self, wrapped):
        super().__init__()
        self.wrapped = wrapped
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        logits = self.scale * images.mean((2, 3))
        return Answer(logits) if self.wrapped else logits


def classifier(wrapped=False):
    spec = ModelSpec(
        arch="mean",
        attributes=("Red", "Green", "Blue"),
        image_size=4,
        preprocessing=Preprocessing(input_size=8),
    )
    return Classifier(Network(wrapped), spec)


@pytest.mark.parametrize("wrapped", [False, True])
def test_logits_are_those_of_the_network_on_preprocessed_images(wrapped):
    logits = classifier(wrapped)(torch.full((2, 3, 4, 4), 0.75))
    assert torch.equal(logits, torch.full((2, 3), 0.5))


def test_nothing_is_saved_but_the_network():
    assert list(classifier().state_dict()) == ["network.scale"]
    assert [name for name, _ in classifier().named_parameters()] == ["network.scale"]


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(1, 3, 4, 4, dtype=torch.uint8),
        torch.zeros(1, 3, 8, 8),
        torch.zeros(1, 1, 4, 4),
        torch.zeros(3, 4, 4),
    ],
)
def test_other_images_than_it_was_built_for_are_refused(images):
    with pytest.raises(ConfigError, match=r"built for floats of shape \(N, 3, 4, 4\)"):
        classifier()(images)


LOGITS, OTHER = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]])
Outputs = namedtuple(
    "Outputs", "logits aux_logits"
)  # as torchvision's Inception and GoogLeNet give


@pytest.mark.parametrize(
    "answer",
    [
        LOGITS,
        Answer(LOGITS),
        {"features": OTHER, "logits": LOGITS},
        ImageClassifierOutput(logits=LOGITS, hidden_states=(OTHER,)),
        (LOGITS, OTHER),
        [LOGITS, OTHER],
        Outputs(LOGITS, OTHER),
        Answer((LOGITS, OTHER)),
    ],
)
def test_logits_are_found_in_every_usual_form(answer):
    assert logits_of(answer) is LOGITS


@pytest.mark.parametrize(
    ("answer", "named"),
    [
        (None, "a NoneType"),
        ((), "a tuple of nothing"),
        (("text", LOGITS), "a tuple of str, Tensor"),
        ({"scores": LOGITS}, "a dict with 'scores'"),
        (Answer(None), "a Answer"),
    ],
)
def test_what_holds_no_logits_is_told_by_what_it_is(answer, named):
    with pytest.raises(ConfigError, match=f"the network gave {named}: expected a tensor of logits"):
        logits_of(answer)
