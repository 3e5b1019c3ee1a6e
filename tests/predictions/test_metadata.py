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
