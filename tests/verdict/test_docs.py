"""docs/gate.md is true: its policy is one, and its table has every key with its default."""

import re
from pathlib import Path

import yaml
from prunescope.gate import Condition, Defaults, Policy

DOCS = (Path(__file__).parents[2] / "docs" / "gate.md").read_text("utf-8")


def test_the_policy_shown_is_one():
    [text] = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    policy = Policy.parse(text)
    assert len(policy.conditions) == 4
    assert policy.conditions[-1].title == "tpr[attribute:Smiling, Male=False] >= 0.7"
    assert all(condition.min_support == 30 for condition in policy.conditions)


def test_the_table_of_keys():
    table = DOCS.split("| key | means | default |\n|---|---|---|\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split(" |")] for line in table.splitlines()]
    keys = [key for row in rows for key in re.findall(r"`(\w+)`", row[0])]
    fields = {**Policy.model_fields, **Condition.model_fields}
    assert set(keys) == set(fields)
    assert keys[keys.index("by") :] == list(Defaults.model_fields)
    for row in rows[-len(Defaults.model_fields) :]:
        [key], told = re.findall(r"`(\w+)`", row[0]), row[2].split(":")[0].strip("`")
        assert yaml.safe_load(told) == fields[key].default
