"""The arithmetic of a round: what the screen may spend, and what the rule makes of the rest."""

from __future__ import annotations

import numpy as np
import pytest

from federation.aggregation import aggregated, screened
from federation.errors import RuleBoundError
from federation.rules import Krum, Mean, Median
from federation.screening import DistanceScreen
from federation.verdict import Decision, Verdicts

RNG = np.random.default_rng(5)
HONEST = RNG.standard_normal((14, 40), dtype=np.float32)


def with_liars(count: int) -> np.ndarray:
    lies = np.float32(30) + RNG.standard_normal((count, 40), dtype=np.float32)
    return np.concatenate([HONEST, lies * np.arange(1, count + 1, dtype=np.float32)[:, None]])


def test_what_stands_out_is_counted_beyond_the_budget_and_the_worst_are_rejected() -> None:
    rows = with_liars(4)
    found = screened(rows, screen=DistanceScreen(), budget=2)
    assert found.standing_out == 4
    assert np.flatnonzero(found.verdicts.rejected).tolist() == [16, 17]  # the two farthest
    assert found.verdicts[15].reason == ""
    assert found.verdicts[17].reason == "screen.distance"
    assert screened(rows, screen=DistanceScreen(), budget=6).verdicts.rejected.sum() == 4


def test_the_cut_is_what_the_screen_itself_would_have_rejected() -> None:
    rows = with_liars(4)
    for budget in range(5):
        ours = screened(rows, screen=DistanceScreen(), budget=budget)
        theirs = DistanceScreen().screen(rows, centre=ours.centre, f=budget)
        assert np.array_equal(ours.verdicts.rejected, theirs.rejected)


def test_rejected_rows_never_reach_the_rule() -> None:
    rows = with_liars(4)
    found = screened(rows, screen=DistanceScreen(), budget=4)
    outcome = aggregated(rows, np.ones(18), rule=Mean(), screening=found.verdicts, f=4, rng=np.random.default_rng(0))
    assert np.allclose(outcome.value, HONEST.mean(axis=0), atol=1e-6)
    assert outcome.variance == pytest.approx(HONEST.astype(np.float64).var(axis=0, ddof=1))
    assert outcome.decisions.tolist() == [0] * 14 + [Decision.REJECTED] * 4


def test_the_more_severe_verdict_counts_and_says_whose_it_is() -> None:
    rows = with_liars(2)
    found = screened(rows, screen=DistanceScreen(), budget=2)
    outcome = aggregated(rows, np.ones(16), rule=Krum(), screening=found.verdicts, f=2, rng=np.random.default_rng(0))
    assert (outcome.decisions == Decision.REJECTED).sum() == 15  # Krum keeps one
    kept = int(np.flatnonzero(outcome.decisions == Decision.ACCEPTED)[0])
    assert np.array_equal(outcome.value, rows[kept])
    assert [outcome.judges[row] for row in (14, 15)] == [0, 0]  # the screen had spoken first
    assert all(outcome.judges[row] == 1 for row in range(14) if row != kept)


def test_too_few_left_for_the_rule_is_refused_with_the_numbers() -> None:
    rows = HONEST[:7]
    with pytest.raises(RuleBoundError) as caught:
        aggregated(
            rows,
            np.ones(7),
            rule=Median(),
            screening=Verdicts.marking(
                np.arange(7) < 3, rule="screen", decision=Decision.REJECTED, reason="screen.distance"
            ),
            f=2,
            rng=np.random.default_rng(0),
        )
    assert (caught.value.n, caught.value.f, caught.value.needed) == (4, 2, 5)


def test_the_result_is_no_view_of_its_input() -> None:
    rows = HONEST[:1].copy()
    rows.flags.writeable = False
    outcome = aggregated(
        rows, np.ones(1), rule=Median(), screening=Verdicts.accepting(1, rule="none"), f=0, rng=np.random.default_rng(0)
    )
    assert not np.shares_memory(outcome.value, rows)
