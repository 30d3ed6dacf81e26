"""What doctor concludes from given facts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import checks
from gateway.check import State
from gateway.checks import Folder, Package, Worker


def test_python() -> None:
    assert checks.python_version((3, 11, 0)).state == State.OK
    assert checks.python_version((3, 10, 14)).state == State.FAIL


def test_a_missing_package_is_a_fault_and_a_missing_extra_is_not() -> None:
    ray = Package(name="ray", needed=">=2.55", found="2.40.0", fits=False)
    sklearn = Package(name="scikit-learn", needed=">=1.6", found=None, fits=False, extra="demo")
    numpy = Package(name="numpy", needed=">=2.2", found="2.3", fits=True)
    base, extra = checks.packages([ray, sklearn, numpy])
    assert (base.state, extra.state) == (State.FAIL, State.WARN)
    assert "ray 2.40.0, needed >=2.55" in base.found
    assert "swarmlore[demo]" in extra.advice
    assert [check.state for check in checks.packages([numpy])] == [State.OK]


@pytest.mark.parametrize(
    ("address", "mode", "token", "state"),
    [
        ("local", None, False, State.OK),
        ("local", None, True, State.OK),
        ("local", "disabled", True, State.OK),
        ("local", "token", False, State.FAIL),
        ("auto", None, False, State.OK),
        ("auto", None, True, State.OK),
        ("auto", "disabled", False, State.OK),
        ("auto", "disabled", True, State.WARN),
        ("10.0.0.1:6379", "token", True, State.OK),
        ("10.0.0.1:6379", "token", False, State.FAIL),
        ("auto", "kerberos", True, State.FAIL),
    ],
)
def test_the_matrix_of_authentication(address: str, mode: str | None, token: bool, state: State) -> None:
    found = checks.authentication(address, mode, token=token)
    assert found.state == state
    assert bool(found.advice) == (state != State.OK)


@pytest.mark.parametrize(
    ("mode", "token", "refusal", "state"),
    [
        (None, False, "AuthenticationError: InvalidAuthToken", State.FAIL),
        ("disabled", True, "RpcError: Authentication token is missing", State.FAIL),
        ("token", True, "AuthenticationError: InvalidAuthToken", State.FAIL),
        (None, False, "ConnectionRefusedError: [Errno 111] Connection refused", State.OK),
        (None, False, "", State.OK),
    ],
)
def test_a_cluster_that_refuses_the_token_is_no_clean_bill(
    mode: str | None, token: bool, refusal: str, state: State
) -> None:
    found = checks.authentication("10.0.0.1:6379", mode, token=token, refusal=refusal)
    assert found.state == state
    assert (refusal in found.found) == (state == State.FAIL or not refusal)
    assert ("RAY_AUTH_TOKEN_PATH" in found.advice) == (state == State.FAIL)


def test_the_uv_hook_is_off_unless_somebody_switched_it_on() -> None:
    assert checks.uv_hook(None, under_uv=True).state == State.OK
    assert checks.uv_hook("0", under_uv=False).state == State.OK
    assert checks.uv_hook("1", under_uv=False).state == State.WARN


def test_it_is_the_workers_niceness_that_counts() -> None:
    assert checks.niceness(0, 15).state == State.WARN
    assert checks.niceness(5, 0).state == State.OK
    assert checks.niceness(5, None).state == State.WARN


def test_the_object_store() -> None:
    assert checks.object_store(256 * 2**20, None).state == State.OK
    assert checks.object_store(32 * 2**20, 2**30).state == State.WARN
    assert checks.object_store(None, 64 * 2**20).state == State.WARN
    assert checks.object_store(None, 2**30).state == State.OK
    assert checks.object_store(None, None).state == State.WARN


def test_a_socket_below_the_folder_must_fit_its_path() -> None:
    assert checks.temporary_path("/tmp").state == State.OK
    assert checks.temporary_path("/" + "x" * 42).state == State.OK
    assert checks.temporary_path("/" + "x" * 43).state == State.WARN


def test_the_state_directory_and_its_secret() -> None:
    def states(**facts: object) -> list[State]:
        defaults: dict[str, object] = {"path": Path("s"), "exists": True, "writable": True}
        return [check.state for check in checks.state_folder(Folder(**(defaults | facts)))]  # type: ignore[arg-type]

    assert states() == [State.OK]
    assert states(writable=False) == [State.FAIL]
    assert states(secret_mode=0o600, secret_bytes=32) == [State.OK, State.OK]
    assert states(secret_mode=0o640, secret_bytes=32) == [State.OK, State.FAIL]
    assert states(secret_mode=0o600, secret_bytes=0) == [State.OK, State.FAIL]


def test_workers_must_run_the_same() -> None:
    same = Worker(python="3.11.7", ray="2.60.0", nice=0, missing=())
    assert checks.worker(same, "3.11.7", "2.60.0").state == State.OK
    assert checks.worker(same, "3.11.7", "2.59.0").state == State.FAIL
    assert checks.worker(same, "3.12.1", "2.60.0").state == State.FAIL
    missing = Worker(python="3.11.7", ray="2.60.0", nice=0, missing=("actors",))
    assert "actors" in checks.worker(missing, "3.11.7", "2.60.0").found
    assert checks.worker(None, "3.11.7", "2.60.0", "timed out").state == State.FAIL


def test_a_cluster_that_cannot_be_reached_is_a_fault_with_a_way_out() -> None:
    found = checks.cluster("auto", None, "refused")
    assert (found.state, found.found) == (State.FAIL, "refused")
    assert "ray start --head" in found.advice
    facts = {"address": "1.2.3.4:5", "nodes": 2, "cpus": 8, "swarm": True}
    assert checks.cluster("auto", facts, None).found == "joined: 1.2.3.4:5, 2 nodes, 8 CPUs; a swarm runs on it"
