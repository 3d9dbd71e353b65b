"""A check that has nothing to try its rule on is not green."""

from __future__ import annotations

import pytest

from headend_contract.check import Mode
from headend_contract.known_bad.reticent import RETICENT
from headend_contract.report import Report, Verdict
from headend_contract.runner import check_provider

NO_FIGURES = "this platform has no figures"

UNTRIED = {
    "ANALYTICS-BITRATE-001": f"current_bitrate is None while an encoder pushes: {NO_FIGURES}",
    "ANALYTICS-PEAK-001": f"peak_viewers is None after people have watched: {NO_FIGURES}",
    "ANALYTICS-TIME-001": (
        f"total_watch_time is None while people watch and afterwards: {NO_FIGURES}"
    ),
    "ANALYTICS-VIEWERS-001": f"viewer_count is None while people watch: {NO_FIGURES}",
    "ANALYTICS-ZERO-001": f"viewer_count is None while people watch: {NO_FIGURES}",
    "ERROR-ANSWER-006": "a list of 101 live streams comes in one page",
    "RECORDING-006": "a recording tells neither its length nor where it can be watched",
    "TIME-CREATED-001": "neither reading nor listing gives created_at",
    "TIME-ZONE-001": "neither reading nor listing gives created_at",
}


@pytest.fixture(scope="module")
def report() -> Report:
    return check_provider(
        RETICENT,
        mode=Mode.SIMULATOR,
        only=["ANALYTICS-*", "ERROR-ANSWER-*", "LIVE-*", "RECORDING-*", "TIME-*"],
        fast=True,
        expected=(),
    )


def test_each_check_that_asked_in_vain_says_what_there_is_not(report: Report) -> None:
    asked = [one for one in report.results if one.provenance is not None]
    untried = {one.id: one.reason for one in asked if one.verdict is Verdict.NOT_APPLICABLE}

    assert untried == UNTRIED


def test_a_provider_that_tells_little_fails_no_check(report: Report) -> None:
    assert [one.reason for one in report.results if one.verdict is Verdict.FAILED] == []
