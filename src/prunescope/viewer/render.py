"""The viewer's templates, with what the report's know."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader

from prunescope.audit import Where
from prunescope.report.html import environment as of_report
from prunescope.verdict.numbers import SHARE
from prunescope.viewer.view import SORTS


@cache
def environment() -> Environment:
    """Make the template environment; whatever is inserted is escaped."""
    loaders = [PackageLoader("prunescope.viewer"), PackageLoader("prunescope.report")]
    made = of_report().overlay(loader=ChoiceLoader(loaders))
    made.globals = of_report().globals | {
        "SORTS": SORTS,
        "SHARE": SHARE,
        "place": place,
    }
    return made


def place(group: str, value: object) -> str:
    """Name a value of a group as a view does."""
    return str(Where(group=group, group_value=str(value)))


def render(template: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template shows
    """Render one page."""
    return environment().get_template(template).render(**values)
