"""What happens to a federation, and which alert says so."""

from __future__ import annotations

from telemetry import semconv
from telemetry.semconv import ClerkStep, Outcome, RolloutDecision, StoragePart
from tests.dashboards.cases import Case, Series, key

PAUSED = key(semconv.METRIC_FEDERATION_PAUSED, PAUSE_REASON="privacy.budget")
AGE = key(semconv.METRIC_RELEASE_AGE_DURATION)
ACCEPTED, LIMITED, INVALID = (
    key(semconv.METRIC_SUBMISSIONS, REGION="eu", ANSWER_CODE=code)
    for code in ("accepted", "RATE_LIMITED", "INVALID_SCHEMA")
)
SPENT = key(semconv.METRIC_PRIVACY_EPSILON_SPENT)
HOUR = 60
OVERDUE = "The last release is {value} old. Too few took part, rounds are refused, or the clerk stands still."


def healthy_federation(minutes: int) -> Series:
    """A federation in good order: a release each window of an hour, a few submissions refused."""
    rest = f"0x{minutes}"
    age = " ".join([f"0+60x{HOUR - 1}"] * (minutes // HOUR + 1))
    found: Series = {
        key(semconv.METRIC_FEDERATION_PAUSED, PAUSE_REASON="operator"): rest,
        PAUSED: rest,
        AGE: age,
        key(semconv.METRIC_WINDOW_DURATION): f"3600x{minutes}",
        ACCEPTED: f"0+20x{minutes}",
        LIMITED: f"0+1x{minutes}",
        INVALID: rest,
        SPENT: f"3x{minutes}",
        key(semconv.METRIC_PRIVACY_EPSILON_BUDGET): f"8x{minutes}",
        key(semconv.METRIC_CLERK_STEPS, CLERK_STEP=ClerkStep.PUBLISH, OUTCOME=Outcome.SUCCESS): f"0+0.003x{minutes}",
        key(semconv.METRIC_CLERK_STEPS, CLERK_STEP=ClerkStep.PUBLISH, OUTCOME=Outcome.FAILURE): rest,
        key(semconv.METRIC_CLERK_STEPS, CLERK_STEP=ClerkStep.ROUND, OUTCOME=Outcome.FAILURE): f"0+1x{minutes}",
    }
    for decision in RolloutDecision:
        found[key(semconv.METRIC_ROLLOUT_DECISIONS, ROLLOUT_DECISION=decision)] = rest
    for part in StoragePart:
        found[key(semconv.METRIC_STORAGE_FAILURES, STORAGE_PART=part)] = rest
    return found


FEDERATION_CASES = [
    Case(
        alert="FederationPaused",
        happens={PAUSED: "0x20 1x30 0x60"},
        fires=(22, 50),
        silent=(20, 53),
        severity="critical",
        labels={semconv.ATTR_PAUSE_REASON: "privacy.budget"},
        description="It is paused for privacy.budget. Clients keep the release that they have.",
    ),
    Case(
        alert="FederationPaused",
        happens={key(semconv.METRIC_FEDERATION_PAUSED, PAUSE_REASON="operator"): "0x20 1x150 0x30"},
        fires=(145, 170),
        silent=(100, 175),
        severity="warning",
        labels={semconv.ATTR_PAUSE_REASON: "operator"},
        description="It is paused for operator. Clients keep the release that they have.",
    ),
    Case(
        alert="StorageFailing",
        happens={key(semconv.METRIC_STORAGE_FAILURES, STORAGE_PART=StoragePart.SUBMISSIONS): "0x20 0+2x20 40x60"},
        fires=(30, 40),
        silent=(20, 22, 50),
        severity="critical",
        labels={semconv.ATTR_STORAGE_PART: StoragePart.SUBMISSIONS.value},
        description="10 reads or writes of submissions failed in five minutes.",
    ),
    Case(
        alert="PublishingFailed",
        happens={
            key(semconv.METRIC_CLERK_STEPS, CLERK_STEP=ClerkStep.PUBLISH, OUTCOME=Outcome.FAILURE): "0x20 1x100",
        },
        fires=(23, 34),
        silent=(20, 40),
        severity="critical",
        labels={},
        description="Publishing failed 1 times in a quarter of an hour, with all that was tried again. Clients "
        "keep the release that they have.",
    ),
    Case(
        alert="PrivacyNearlySpent",
        happens={SPENT: "3x20 7x30 0.5x60"},
        fires=(22, 50),
        silent=(20, 55),
        severity="warning",
        description="87.5% of the privacy budget of gradients is spent. When it is spent, the federation is paused "
        "until the period ends.",
    ),
    Case(
        alert="ReleaseRolledBack",
        happens={
            key(semconv.METRIC_ROLLOUT_DECISIONS, ROLLOUT_DECISION=RolloutDecision.ROLL_BACK): "0x60 1x200",
        },
        fires=(63, 100),
        silent=(60, 130),
        severity="warning",
        labels={},
        description="1 releases were rolled back in the last hour. The release before comes back as a new version, "
        "and what the round had learned is left out of the next.",
    ),
    Case(
        alert="ReleaseOverdue",
        happens={AGE: f"0+60x{3 * HOUR} 0+60x60"},
        fires=(2 * HOUR + 10, 3 * HOUR),
        silent=(HOUR, 2 * HOUR, 3 * HOUR + 5),
        severity="warning",
        labels={},
        description=OVERDUE,
        values={2 * HOUR + 10: "2h 10m 0s", 3 * HOUR: "3h 0m 0s"},
    ),
    Case(
        alert="ReleaseOverdue",
        happens={AGE: f"0+60x{4 * HOUR}", PAUSED: f"0x{2 * HOUR + 30} 1x{2 * HOUR}"},
        fires=(2 * HOUR + 10,),
        silent=(2 * HOUR, 2 * HOUR + 40),
        severity="warning",
        labels={},
        description=OVERDUE,
        values={2 * HOUR + 10: "2h 10m 0s"},
    ),
    Case(
        alert="SubmissionsRefused",
        happens={INVALID: "0x60 0+10x120 1200x240"},
        fires=(120, 180),
        silent=(60, 65, 300),
        severity="warning",
        labels={},
        description="{value} of the submissions of the last hour were refused; 20% are too many.",
        values={120: "34.78%", 180: "35.48%"},
    ),
    Case(
        alert="SubmissionsRefused",
        happens={
            ACCEPTED: f"0x{5 * HOUR}",
            LIMITED: f"0+0.1x{HOUR} 6+0.5x{4 * HOUR}",
        },
        fires=(3 * HOUR,),
        silent=(HOUR,),
        severity="warning",
        labels={},
        description="100% of the submissions of the last hour were refused; 20% are too many.",
    ),
]
