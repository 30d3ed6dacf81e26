"""Submissions from a process of its own: what a test does together with another process."""

from __future__ import annotations

import sys

from actors.storage import Storage, Submission

CLIENTS = 20


def send(url: str, name: str) -> int:
    """How many of this process's submissions were accepted: six of each client."""
    accepted = 0
    with Storage.open(url) as storage:
        for turn in range(6):
            batch = [
                Submission(
                    client=f"{number:064x}", nonce=f"{name}-{turn}", window=1, received_at=0.0, document=b"d" * 5000
                )
                for number in range(CLIENTS)
            ]
            accepted += sum(added.outcome == "accepted" for added in storage.submissions.add_many(batch, now=0.0))
    return accepted


if __name__ == "__main__":
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(f"{send(sys.argv[1], 'other')}\n")
