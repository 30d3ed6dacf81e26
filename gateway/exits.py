"""Exit codes of the command line. A number is never given to another meaning."""

from __future__ import annotations

from enum import IntEnum

from federation.errors import SwarmError


class Exit(IntEnum):
    """What a command ended with."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    NO_CLUSTER = 3
    NO_SWARM = 4
    NO_RELEASE = 5
    BAD_DATA = 6
    FAULT_FOUND = 7
    SWARM_RUNNING = 8
    MISSING_EXTRA = 9
    UNKNOWN_RELEASE = 10
    STATE = 11
    NO_ACTOR = 12
    NO_CONSENT = 13
    NO_FEDERATION = 14
    REFUSED = 15
    UNTRUSTED = 16
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: dict[Exit, str] = {
    Exit.OK: "done",
    Exit.UNEXPECTED: "an error that swarmlore did not foresee; a report is welcome",
    Exit.USAGE: "an unknown option or command, or a setting outside of what it may be",
    Exit.NO_CLUSTER: "no Ray cluster at the address, or it did not let us in",
    Exit.NO_SWARM: "the cluster runs no swarm",
    Exit.NO_RELEASE: "a round without a release: no quorum, too few updates for the rule, aborted, no privacy left",
    Exit.BAD_DATA: "experiences that cannot be read",
    Exit.FAULT_FOUND: "`doctor` found a fault",
    Exit.SWARM_RUNNING: "the cluster runs a swarm already",
    Exit.MISSING_EXTRA: "an optional package is not installed",
    Exit.UNKNOWN_RELEASE: "no such release, or one that does not verify",
    Exit.STATE: "the state directory cannot be used: journal, keys or permissions",
    Exit.NO_ACTOR: "an actor of the swarm has ended for good; `down` and `up` make it anew",
    Exit.NO_CONSENT: "this installation takes no part in a federation: no consent, or not registered",
    Exit.NO_FEDERATION: "the federation gives no answer; what is to be sent waits",
    Exit.REFUSED: "the federation refuses: quarantine, limits, schema",
    Exit.UNTRUSTED: "what came from the federation does not verify: signature, checksum, key, certificate",
    Exit.INTERRUPTED: "interrupted by Ctrl-C",
    Exit.TERMINATED: "ended by SIGTERM",
}

# The whole code first, then its part before the dot.
_BY_CODE: dict[str, Exit] = {
    "cluster.unreachable": Exit.NO_CLUSTER,
    "cluster.no_swarm": Exit.NO_SWARM,
    "cluster.no_actor": Exit.NO_ACTOR,
    "cluster.swarm_running": Exit.SWARM_RUNNING,
    "install.extra": Exit.MISSING_EXTRA,
    "coordinator.changed_key": Exit.STATE,
    "round.fault_bound": Exit.USAGE,
    "config": Exit.USAGE,
    "client.consent": Exit.NO_CONSENT,
    "client.not_registered": Exit.NO_CONSENT,
    "client.unreachable": Exit.NO_FEDERATION,
    "client.server_failed": Exit.NO_FEDERATION,
    "client.answer": Exit.NO_FEDERATION,
    "client.redirect": Exit.UNTRUSTED,
    "client.untrusted.signature": Exit.UNTRUSTED,
    "client.untrusted.checksum": Exit.UNTRUSTED,
    "client.untrusted.server_key": Exit.UNTRUSTED,
    "client.untrusted.certificate": Exit.UNTRUSTED,
    "client.folder": Exit.STATE,
    "client.write": Exit.STATE,
    "client.busy": Exit.STATE,
    "client.damaged": Exit.STATE,
    "client": Exit.REFUSED,
    "federation.unreachable": Exit.NO_FEDERATION,
    "federation.slow": Exit.NO_FEDERATION,
    "federation.refused": Exit.REFUSED,
    "federation.client": Exit.REFUSED,
    "federation": Exit.NO_RELEASE,
    "round": Exit.NO_RELEASE,
    "rule": Exit.NO_RELEASE,
    "privacy.ledger": Exit.STATE,
    "privacy": Exit.NO_RELEASE,
    "gradients": Exit.BAD_DATA,
    "patterns": Exit.BAD_DATA,
    "otlp": Exit.BAD_DATA,
    "release": Exit.UNKNOWN_RELEASE,
    "journal": Exit.STATE,
    "storage": Exit.STATE,
}


def exit_of(error: BaseException) -> Exit:
    """The exit code for an error."""
    if isinstance(error, SwarmError):
        return _BY_CODE.get(error.code) or _BY_CODE.get(error.code.partition(".")[0], Exit.UNEXPECTED)
    if isinstance(error, KeyboardInterrupt):
        return Exit.INTERRUPTED
    if isinstance(error, PermissionError):
        return Exit.STATE
    return Exit.UNEXPECTED


def table() -> str:
    """The exit codes as lines of text, for ``--help``."""
    return "\n\n".join(f"{code.value}: {meaning}" for code, meaning in MEANINGS.items())
