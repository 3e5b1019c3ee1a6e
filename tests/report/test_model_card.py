"""The sections of a model card: what an audit found, and what it could not tell."""

import re

import pytest

from prunescope.report import FORMATS, build, to_model_card, write_report
from prunescope.report.model_card import MOST_GAPS, MOST_NAMES

HEADINGS = [
    "## Bias, Risks, and Limitations",
    "### What could not be estimated",
    "### Recommendations",
    "## Evaluation",
    "### Testing Data, Factors & Metrics",
    "#### Testing Data",
    "#### Factors",
    "#### Metrics",
    "### Results",
    "#### How the figures were made",
]


def headings(text):
    return [line for line in text.splitlines() if line.startswith("#")]


def section(text, heading):
    return re.split(r"\n#+ ", text.split(f"{heading}\n")[1])[0]


def test_the_sections_and_what_they_say(harmed):
    report = build(harmed)
    text = to_model_card(report)
    assert headings(text) == HEADINGS
    bias = section(text, HEADINGS[0])
    assert "on 1,200 images:\n\n**Do not ship.** 95% of weights removed: accuracy −3.2" in bias
    assert "- **broken, severe** Rare answers fade: Bald: 1.00 → 0.20 (" in bias
    assert "- Weigh what is broken and what is open above" in text
    assert "- **severe**: Rare answers fade: on 2 of 4 attributes" in bias
    assert "- Bias amplification, 2 estimates: not applicable (Male is the group itself)" in text
    assert section(text, "#### Testing Data").strip() == "1,200 images, split test."
    factors = section(text, "#### Factors")
    assert "- 4 attributes: Bald, Big_Nose, Male, Smiling\n- 1 group: Male" in factors
    assert "- Bias amplification: Take the side of a group" in section(text, "#### Metrics")
    results = section(text, "### Results")
    assert "| sparse95 | 95% | 96.8% [96." in results
    assert "95% intervals" in results
    made = section(text, HEADINGS[-1])
    assert "- 95% intervals that cover the choice of images" in made
    assert "- sparse95: gmp, 95% of weights removed, compared with dense" in made
    assert "[More Information Needed]" not in text


def test_models_get_a_heading_each_and_what_was_found(many, seeds):
    text = to_model_card(build(many))
    assert [h for h in headings(text) if h.startswith("### gmp-")] == [
        "### gmp-0.5-0: 50% of weights removed by gmp. Ship with care",
        "### gmp-0.8-0: 80% of weights removed by gmp. Ship with care",
        "### gmp-0.95-0: 95% of weights removed by gmp. Do not ship",
    ]  # fmt: skip
    pooled = to_model_card(build(seeds))
    assert [h for h in headings(pooled) if "gmp" in h] == [
        "### gmp 0.5 (3 seeds): 50% of weights removed. Do not ship",
        "### gmp 0.9 (3 seeds): 90% of weights removed. Do not ship",
    ]  # fmt: skip
    assert "- Most compressed models answer otherwise" in pooled


def test_what_is_not_known_is_said_and_only_then(few, harmed):
    text = to_model_card(build(few))
    gaps = [line for line in section(text, HEADINGS[1]).splitlines() if line.startswith("- ")]
    assert all("insufficient support" in line or "not applicable" in line or "undefined" in line
               or line.endswith("estimates more") for line in gaps)  # fmt: skip
    assert len(gaps) <= MOST_GAPS + 1
    assert "nothing is known: that is not the same as no harm" in text
    whole = build(harmed).model_copy(update={"gaps": []})
    assert headings(to_model_card(whole)) == [h for h in HEADINGS if h != HEADINGS[1]]
    assert "nothing is known" not in to_model_card(whole)


def test_without_intervals_none_is_claimed(untested):
    text = to_model_card(build(untested))
    assert "- no intervals were asked for" in text
    assert "% intervals" not in text


def test_many_names_are_counted(harmed):
    report = build(harmed)
    groups = [f"g{i}" for i in range(MOST_NAMES + 5)]
    factors = section(
        to_model_card(report.model_copy(update={"groups": groups, "n_attributes": 1000})),
        "#### Factors",
    )
    assert "- 1,000 attributes: Bald, Big_Nose, Male, Smiling, 996 more" in factors
    assert "g59, 5 more" in factors
    none = to_model_card(report.model_copy(update={"groups": []}))
    assert "- no groups: how it treats them is not known" in none


@pytest.mark.parametrize("name", ["hostile", "hostile_seeds", "hostile_classes"])
def test_hostile_names_add_no_markup(request, name):
    text = to_model_card(build(request.getfixturevalue(name)))
    assert not re.search(r"(?<!\\)[<>]", re.sub(r"^> ", "", text, flags=re.M))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {9}
    assert [h for h in headings(text) if not h.startswith("### ")] == [
        h for h in HEADINGS if not h.startswith("### ")
    ]


def test_it_is_a_format_of_the_report(harmed, tmp_path):
    report = build(harmed)
    (path,) = write_report(report, tmp_path, formats=("card",))
    assert path == tmp_path / "model_card.md"
    assert path.read_text(encoding="utf-8") == to_model_card(report) == FORMATS["card"](report)
