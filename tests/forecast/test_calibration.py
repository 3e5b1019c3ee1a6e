import numpy as np
import pytest
from scipy.special import expit

from prunescope.errors import DataError
from prunescope.forecast import Calibration


def test_a_planted_probability_is_recovered():
    rng = np.random.default_rng(0)
    risk = rng.normal(0, 2, (20_000, 3))
    flips = rng.random(risk.shape) < expit(risk - 1)
    found = Calibration.fit(risk, flips, ["small"])
    at = np.array([-3.0, -1.0, 0.0, 1.0, 3.0])
    assert found(at) == pytest.approx(expit(at - 1), abs=0.03)
    assert (found.n, found.n_flips) == (risk.size, flips.sum())


def test_it_never_falls_and_stays_a_probability():
    rng = np.random.default_rng(1)
    risk = rng.normal(0, 1, (500, 1))
    found = Calibration.fit(risk, rng.random(risk.shape) < 0.2, ["noise"])
    p = found(np.linspace(-9, 9, 100))
    assert (np.diff(p) >= 0).all()
    assert 0 <= p[0] <= p[-1] <= 1


def test_too_few_flips_say_what_to_do():
    flips = np.zeros((100, 1), bool)
    flips[:19] = True
    with pytest.raises(DataError, match=r"small: 19 answers flip.*at least 20.*prune further"):
        Calibration.fit(np.arange(100.0)[:, None], flips, ["small"])


def test_it_survives_being_saved():
    rng = np.random.default_rng(2)
    risk = rng.normal(0, 1, (200, 1))
    found = Calibration.fit(risk, rng.random(risk.shape) < expit(risk), ["small"])
    again = Calibration.model_validate_json(found.model_dump_json())
    assert np.array_equal(found(risk), again(risk))
