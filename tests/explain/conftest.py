"""Networks so small that their maps are worked out by hand."""

import pytest
import torch

from prunescope.models import Classifier, ModelSpec, Preprocessing


@pytest.fixture(scope="session")
def classifier():
    """Return a function: a network → a classifier of images of a few pixels."""

    def make(network, names=("Bald", "Hat"), size=8, task="multilabel", **options):
        preprocessing = Preprocessing(**({"input_size": size} | options))
        spec = ModelSpec(
            arch="tests:network",
            attributes=names,
            task=task,
            image_size=size,
            preprocessing=preprocessing,
        )
        return Classifier(network, spec).eval()

    return make


@pytest.fixture(scope="session")
def noise():
    """Return a function: how many, which side → random images in [0, 1]."""

    def draw(n=2, size=8, seed=0):
        return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed))

    return draw
