"""What the tests of models share."""

import textwrap

import pytest
import torch
from transformers import ResNetConfig, ResNetForImageClassification

ATTRIBUTES = ("Bald", "Male", "Young")


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny networks are faster without threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def images():
    """Four random images of 16 px, in [0, 1]."""
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def pretrained(tmp_path):
    """A folder with a tiny network as transformers saves it, with four outputs."""
    torch.manual_seed(1)
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", num_labels=4
    )
    folder = tmp_path / "pretrained"
    ResNetForImageClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """A module `nets` with factories, good and bad."""
    source = """
    import torch
    from torch import nn

    def linear(n_outputs):
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(n_outputs))

    def deep(n_outputs):
        return nn.Sequential(nn.Flatten(), nn.Linear(768, 6), nn.ReLU(), nn.Linear(6, n_outputs))

    def tied(n_outputs):
        return Tied(n_outputs)

    class Tied(nn.Module):
        def __init__(self, n_outputs):
            super().__init__()
            self.first = nn.Linear(3, 3)
            self.second = nn.Linear(3, 3)
            self.second.weight = self.first.weight
            self.head = nn.Linear(n_outputs, 3).weight.t()
            self.head = nn.Parameter(self.head)

        def forward(self, images):
            return self.second(self.first(images.mean((2, 3)))) @ self.head

    def broken(n_outputs):
        raise RuntimeError("no such luck")

    def too_wide(n_outputs):
        return nn.Sequential(nn.Flatten(), nn.LazyLinear(n_outputs + 1))

    def no_module(n_outputs):
        return [n_outputs]

    def picky(n_outputs):
        return nn.Linear(5, n_outputs)

    not_callable = 3
    """
    (tmp_path / "prunescope_test_nets.py").write_text(textwrap.dedent(source))
    monkeypatch.syspath_prepend(tmp_path)
    return "prunescope_test_nets"
