"""What a study found: one table of all audits, claims judged by it, and its report.

A *figure* is panels against sparsity as data, a *table* words for people with numbers for programs,
a *part* what one architecture shows that is trained on all attributes. All are pure functions of a
`StudyResults`; the page, and files for papers, are rendered from them.
"""

from prunescope.study.results.claim import Claim, Verdict
from prunescope.study.results.load import StudyResults
from prunescope.study.results.page import StudyPage, build_study, study_html
from prunescope.study.results.write import write_study_report

__all__ = [
    "Claim",
    "StudyPage",
    "StudyResults",
    "Verdict",
    "build_study",
    "study_html",
    "write_study_report",
]
