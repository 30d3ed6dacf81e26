from __future__ import annotations

from actors.cast import Handles


def test_handles_are_looked_up_once_and_anew_when_forgotten() -> None:
    asked: list[str] = []

    def find(name: str) -> str:
        asked.append(name)
        return f"{name} {len(asked)}"

    handles = Handles(find)
    assert [handles("a"), handles("b"), handles("a")] == ["a 1", "b 2", "a 1"]
    handles.forget("a")
    handles.forget("stranger")
    assert [handles("a"), handles("b")] == ["a 3", "b 2"]
    assert asked == ["a", "b", "a"]
