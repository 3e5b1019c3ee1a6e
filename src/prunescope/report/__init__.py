"""What an audit found, for people: data first, then one page, JSON, Markdown or CSV.

A *finding* is a change for the worse that the judge (`prunescope.verdict`) calls beyond chance, in
words, with the rows of the audit that it rests on; its *severity* is the limit that it breaks, or
slight. The answer, whether a model may be shipped, is the judge's, too. A row of a table is
*supported* where its q-value (Benjamini-Hochberg) is at most 1 - confidence and its verdict is not
``negligible``. Models that differ by their seed alone are a *population* and are
told of together; its *members* stand behind. The *rarer answer* to an attribute is yes or no,
whichever is rarer in training. A *report* holds everything that is shown, as data; a *renderer*
turns it into text and adds nothing.
"""

from prunescope.report.build import build
from prunescope.report.comparison_page import build_comparison, write_comparison
from prunescope.report.findings import findings
from prunescope.report.forecast_page import build_forecast, write_forecast
from prunescope.report.gains import Gain, read_gain
from prunescope.report.html import to_html
from prunescope.report.hurt import Hurt, build_hurt
from prunescope.report.markdown import to_markdown
from prunescope.report.model_card import to_model_card
from prunescope.report.route_page import build_route, write_route
from prunescope.report.samples import TAGS, sample_table, write_samples
from prunescope.report.score_page import build_score, write_score
from prunescope.report.sensitivity_page import sensitivity_html, write_sensitivity
from prunescope.report.slices_page import write_slices
from prunescope.report.structure import Estimate, Finding, Report
from prunescope.report.write import (
    FORMATS,
    KINDS,
    check_known,
    to_json,
    write_figures,
    write_report,
)

__all__ = [
    "FORMATS",
    "KINDS",
    "TAGS",
    "Estimate",
    "Finding",
    "Gain",
    "Hurt",
    "Report",
    "build",
    "build_comparison",
    "build_forecast",
    "build_hurt",
    "build_route",
    "build_score",
    "check_known",
    "findings",
    "read_gain",
    "sample_table",
    "sensitivity_html",
    "to_html",
    "to_json",
    "to_markdown",
    "to_model_card",
    "write_comparison",
    "write_figures",
    "write_forecast",
    "write_report",
    "write_route",
    "write_samples",
    "write_score",
    "write_sensitivity",
    "write_slices",
]
