import torch

from prunescope.pruning.scores import ScoreInputs, magnitude, random


def test_magnitude_is_a_new_tensor_without_gradient():
    weight = torch.nn.Parameter(torch.tensor([[-2.0, 0.0], [1.5, -0.5]]))
    scores = magnitude(ScoreInputs({"a": weight}, seed=0))
    assert scores["a"].tolist() == [[2.0, 0.0], [1.5, 0.5]]
    assert not scores["a"].requires_grad
    scores["a"].zero_()
    assert weight[0, 0] == -2


def test_random_depends_on_the_seed_and_the_shapes_alone():
    shapes = {"a": (2, 3), "b": (4,)}
    zeros = {name: torch.zeros(shape) for name, shape in shapes.items()}
    halves = {name: torch.full(shape, 7).half() for name, shape in shapes.items()}
    first = random(ScoreInputs(zeros, seed=1))
    same = random(ScoreInputs(halves, seed=1))
    other = random(ScoreInputs(zeros, seed=2))
    assert {name: tuple(score.shape) for name, score in first.items()} == shapes
    assert all(torch.equal(first[name], same[name]) for name in shapes)
    assert not torch.equal(first["a"], other["a"])


def test_random_scores_are_uniform_and_independent_of_other_random_numbers():
    weights = {"a": torch.zeros(100_000)}
    torch.manual_seed(3)
    before = torch.get_rng_state()
    score = random(ScoreInputs(weights, seed=0))["a"]
    assert torch.equal(torch.get_rng_state(), before)
    assert abs(float(score.mean()) - 0.5) < 0.005
    assert float(score.min()) >= 0
    assert float(score.max()) < 1
