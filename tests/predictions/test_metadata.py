import pytest
from pydantic import ValidationError

from prunescope.predictions import Compression, Metadata


def test_rates_are_told_only_where_the_file_tells_them():
    assert Metadata().train_rates() is None
    rates = Metadata(train_prevalence={"Bald": 0.1}).train_rates()
    assert (rates.prevalence, rates.group_rates) == ({"Bald": 0.1}, {})


def test_what_others_add_is_kept():
    metadata = Metadata.model_validate({"tool": "x", "dataset": {"name": "d", "licence": "y"}})
    assert Metadata.model_validate_json(metadata.model_dump_json()) == metadata
    assert '"licence":"y"' in metadata.model_dump_json()


@pytest.mark.parametrize("sparsity", [-0.1, 1.0, 95, float("nan")])
def test_a_sparsity_is_a_share_below_one(sparsity):
    with pytest.raises(ValidationError, match="sparsity"):
        Compression(sparsity=sparsity)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_rates_are_shares(share):
    with pytest.raises(ValidationError, match="train_prevalence"):
        Metadata(train_prevalence={"Bald": share})
    with pytest.raises(ValidationError, match="train_group_rates"):
        Metadata(train_group_rates={"Male": {"True": {"Bald": share}}})


def test_what_was_removed_is_what_was_counted_where_the_file_tells():
    assert Compression(method="structured", sparsity=0.5, weights_kept=0.25).removed == 0.75
    assert Compression(sparsity=0.5).removed == 0.5
    assert Compression(sparsity=0.3, weights_kept=1.0).removed == 0.0
    old = Metadata.model_validate_json('{"compression": {"method": "gmp", "sparsity": 0.9}}')
    assert old.compression.removed == 0.9
    assert old.compression.channels_kept is old.compression.bits is None


@pytest.mark.parametrize("n", [1_237, 169_777, 11_173_962])
@pytest.mark.parametrize("request_", [0.5, 0.9, 0.95])
def test_models_of_one_request_stand_at_one_place(n, request_):
    """Numbers of weights are rounded, a share of them is not the request to the last digit."""
    kept = round((1 - request_) * n)
    assert Compression(sparsity=request_, weights_kept=kept / n).removed == pytest.approx(
        request_, abs=0.005 * (1 - request_)
    )
    if n > 100_000:
        assert Compression(sparsity=request_, weights_kept=kept / n).removed == request_


@pytest.mark.parametrize("told", [{"weights_kept": 0}, {"channels_kept": 1.1}, {"bits": 0}])
def test_what_is_left_is_a_share_above_none(told):
    with pytest.raises(ValidationError, match=next(iter(told))):
        Compression(**told)
