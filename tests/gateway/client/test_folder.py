"""The state folder: closed to others, written whole or not at all, one at a time."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.client import FederationClient
from gateway.client.errors import BusyError, DamagedError, FolderError, WriteError
from gateway.client.folder import Folder, seal, unsealed
from tests.gateway.client.conftest import experiences


@pytest.fixture
def folder(place: Path) -> Folder:
    return Folder(place / "state")


def test_only_the_owner_can_look_in(client: FederationClient) -> None:
    client.sync()
    client.record(experiences())
    assert stat.S_IMODE(client.folder.path.stat().st_mode) == 0o700
    for path in client.folder.path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_folder_that_was_open_is_closed(place: Path) -> None:
    path = place / "open"
    path.mkdir(mode=0o777)
    path.chmod(0o777)
    Folder(path).write("x", b"1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a folder somebody else's")
def test_somebody_elses_folder_is_not_used(place: Path) -> None:
    path = place / "theirs"
    path.mkdir()
    os.chown(path, 12345, 12345)
    with pytest.raises(FolderError, match="owner"):
        Folder(path).write("x", b"1")


def test_a_file_is_no_folder(place: Path) -> None:
    (place / "file").write_bytes(b"")
    with pytest.raises(FolderError, match="a folder"):
        Folder(place / "file").write("x", b"1")
    assert Folder(place / "file").read("x") is None


def test_a_write_that_fails_leaves_what_was_there_and_no_litter(folder: Folder) -> None:
    folder.write("x", b"before")
    (folder.path / "y").mkdir()
    (folder.path / "y" / "z").write_bytes(b"")
    with pytest.raises(WriteError):
        folder.write("y", b"cannot replace a folder")
    assert folder.read("x") == b"before"
    assert {path.name for path in folder.path.iterdir()} == {"x", "y"}


def test_a_process_killed_in_the_middle_of_writing_leaves_a_whole_file(folder: Folder) -> None:
    folder.put("x", {"number": 0})
    code = (
        "import sys, itertools; from pathlib import Path; from gateway.client.folder import Folder\n"
        f"folder = Folder(Path({str(folder.path)!r}))\n"
        "print('go', flush=True)\n"
        "for number in itertools.count(1): folder.put('x', {'number': number, 'fill': 'x' * 200_000})\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        seen = 0
        for _ in range(200):
            body, damaged = folder.get("x")
            assert not damaged
            seen = max(seen, body["number"])
            if seen > 20:
                break
        process.kill()
    body, damaged = folder.get("x")
    assert not damaged
    assert body["number"] >= seen
    litter = list(folder.path.glob(".*.tmp"))
    assert folder.sweep(4e9) == len(litter)
    assert not list(folder.path.glob(".*.tmp"))


def test_what_is_not_sealed_is_damaged(folder: Folder) -> None:
    for content in (b"", b"1", b"{}", b'{"body": "1", "sha256": "x"}', b"\xff", b"[" * 100_000):
        with pytest.raises(DamagedError):
            unsealed(content, name="x")
    assert unsealed(seal({"a": [1, None]}), name="x") == {"a": [1, None]}


def test_a_huge_file_is_not_read(folder: Folder) -> None:
    folder.write("x", b"1" * 100)
    with pytest.raises(DamagedError, match="more than 10"):
        folder.read("x", 10)


def test_threads_take_turns(folder: Folder) -> None:
    folder.put("count", 0)

    def work() -> None:
        for _ in range(10):
            with folder.locked("lock", wait_s=30):
                found, _ = folder.get("count")
                folder.put("count", found + 1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert folder.get("count") == (40, False)


def test_another_process_is_waited_for_and_no_longer(folder: Folder) -> None:
    code = (
        "import sys; from pathlib import Path; from gateway.client.folder import Folder\n"
        f"folder = Folder(Path({str(folder.path)!r}))\n"
        "with folder.locked('lock', wait_s=0): print('held', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(BusyError), folder.locked("lock", wait_s=0):
            pass
        process.kill()  # a killed process holds nothing
        process.wait()
    with folder.locked("lock", wait_s=5):
        pass


def _learn(path: str, times: int) -> None:
    client = FederationClient_at(path)
    for _ in range(times):
        client.record(experiences(3))
        client.learn()


def FederationClient_at(path: str) -> FederationClient:
    from gateway.client import ClientSettings

    return FederationClient(ClientSettings(server="http://127.0.0.1:9", state_dir=Path(path), keychain=False))


def test_processes_that_learn_at_once_lose_and_double_nothing(place: Path) -> None:
    path = str(place / "shared")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_learn, args=(path, 2)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    client = FederationClient_at(path)
    assert client.load().own.experiences == 12
    assert client.load().own.patterns["tool::Read"].sample_size == 12


def test_experiences_are_counted_once_also_when_they_could_not_be_removed(client: FederationClient) -> None:
    client.record(experiences(5))
    (name,) = client.folder.names("inbox")
    content = (client.folder.path / name).read_bytes()
    assert client.learn().experiences == 5
    (client.folder.path / name).write_bytes(content)  # as after a crash between the two writes
    assert client.learn().experiences == 0
    assert client.folder.names("inbox") == ()


def test_damaged_records_are_skipped_and_counted(client: FederationClient) -> None:
    client.record(experiences(2))
    (name,) = client.folder.names("inbox")
    path = client.folder.path / name
    path.write_bytes(path.read_bytes() + b"not json\n{}\n")
    (path.parent / "0.jsonl").write_bytes(b"\xff\n")
    found = client.learn()
    assert (found.experiences, found.skipped) == (2, 3)


def test_the_log_keeps_the_newest(client: FederationClient) -> None:
    for number in range(210):
        client.log("test", number=number)
    lines = (client.folder.path / "sync-log.jsonl").read_bytes().splitlines()
    assert len(lines) == 200
    assert json.loads(lines[-1])["number"] == 209
