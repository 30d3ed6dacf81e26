"""What a rollout decides of releases that are so much worse, with honest clients and with a tenth of liars.

``python -m benchmarks.rollout`` prints the table of docs/storage.md. Clients differ: their error rates are drawn from a
beta distribution with a mean of 10 %, and each reports 200 calls under either release. A liar says that all of its
calls under the new release failed, or that none did.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from federation.error_rates import ErrorBound, Finding, compare

TRIALS, CALLS, SEED = 200, 200, 0
WORSE = (0.0, 0.05, 0.10, 0.20, 0.50)
LIES = {"honest": None, "say all failed": 1.0, "say none failed": 0.0}
ORDER = (Finding.FINE, Finding.UNSURE, Finding.WORSE)


def findings(clients: int, worse: float, lie: float | None, rng: np.random.Generator) -> Counter[Finding]:
    """How often a release that is so much worse was found what."""
    found: Counter[Finding] = Counter()
    names = [f"{number:04d}" for number in range(clients)]
    for _ in range(TRIALS):
        rates = rng.beta(2, 18, clients)
        before = rng.binomial(CALLS, rates)
        after = rng.binomial(CALLS, np.minimum(rates * (1 + worse), 1.0))
        if lie is not None:
            after[: clients // 10] = round(CALLS * lie)
        old, new = (
            {name: (CALLS, int(count)) for name, count in zip(names, counts, strict=True)} for counts in (before, after)
        )
        found[compare(old, new, ErrorBound()).finding] += 1
    return found


def main() -> None:
    """Print the table: of a hundred such releases, how many go on, are held for an operator, are taken back."""
    rng = np.random.default_rng(SEED)
    print("| clients | a tenth of them | " + " | ".join(f"errors {worse:+.0%}" for worse in WORSE) + " |")
    print("|--:|---|" + "--:|" * len(WORSE))
    for clients in (10, 100, 1_000):
        for name, lie in LIES.items():
            cells = list[str]()
            for worse in WORSE:
                found = findings(clients, worse, lie, rng)
                cells.append(" / ".join(f"{100 * found[finding] / TRIALS:.0f}" for finding in ORDER))
            print(f"| {clients} | {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
