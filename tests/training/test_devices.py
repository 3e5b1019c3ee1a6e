import pytest
import torch

from prunescope.errors import ConfigError
from prunescope.training import device_for
from prunescope.training.devices import isolated

CPU = torch.device("cpu")


@pytest.mark.parametrize("has_gpu", [False, True])
def test_by_default_a_gpu_where_there_is_one(monkeypatch, has_gpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(has_gpu))
    assert device_for().type == ("cuda" if has_gpu else "cpu")
    assert device_for("cpu") == CPU
    assert device_for(CPU) == CPU


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpu", "unknown device 'gpu': expected cpu"),
        ("cuda:9", "'cuda:9' is not there: this process sees 0 GPUs"),
        ("meta", "'meta' is not supported"),
    ],
)
def test_a_device_that_cannot_be_used(monkeypatch, name, message):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(ConfigError, match=message):
        device_for(name)


@pytest.mark.parametrize("deterministic", [False, True])
def test_generators_and_settings_are_as_before_afterwards(deterministic):
    def settings():
        return torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark

    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    before = settings()

    def fail():
        with isolated(CPU, deterministic=deterministic):
            assert settings() == (deterministic, not deterministic)
            torch.manual_seed(7)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert settings() == before
    assert torch.equal(torch.rand(2), expected)
