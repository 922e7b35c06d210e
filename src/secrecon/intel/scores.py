"""Which of several CVSS scores of one CVE is shown, and what it is in words.

The choice (docs/intelligence.md): version 3.1, then 3.0, then 4.0, then 2.0, so that numbers can be compared with each
other and with what most sources print; within a version the record's keeper (NVD), then whoever assigned the CVE,
then others in the order of the feed. A vector that does not parse or does not give its score is passed over when it is
shown.
"""

from __future__ import annotations

from collections.abc import Iterable

from cvss import CVSS2, CVSS3, CVSS4
from cvss.exceptions import CVSSError

from secrecon.intel.records import Metric

ORDER = {"3.1": 0, "3.0": 1, "4.0": 2, "2.0": 3}
_READERS = {"2.0": CVSS2, "3.0": CVSS3, "3.1": CVSS3, "4.0": CVSS4}


def ranked(metrics: Iterable[Metric]) -> list[Metric]:
    """The metrics of known versions, the one to show first."""
    known = [metric for metric in metrics if metric.version in ORDER]
    return sorted(known, key=lambda metric: (ORDER[metric.version], not metric.primary))


def chosen(metrics: Iterable[Metric]) -> Metric | None:
    """The metric to sort by; None where there is none. Vectors are not read."""
    found = ranked(metrics)
    return found[0] if found else None


def shown(metrics: Iterable[Metric]) -> Metric | None:
    """The metric to show: the first whose vector gives its score."""
    return next((metric for metric in ranked(metrics) if sound(metric)), None)


def sound(metric: Metric) -> bool:
    """Whether the vector parses and gives the score."""
    try:
        return abs(float(_READERS[metric.version](metric.vector).base_score) - metric.score) < 0.05
    except (CVSSError, KeyError, ValueError, TypeError):
        return False
