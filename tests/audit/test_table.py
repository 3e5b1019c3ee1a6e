from prunescope.audit.table import SCHEMA


def test_the_columns_are_those_of_the_design():
    assert " ".join(SCHEMA) == (
        "model method sparsity seed metric attribute group group_value value low high n units "
        "status reason baseline delta delta_low delta_high p_value q_value verdict"
    )
