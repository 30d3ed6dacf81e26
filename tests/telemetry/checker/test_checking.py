"""What a check is told, by options or by .weaver.toml, and how its report looks."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from telemetry.checker.checking import CheckOptions, check, configured, exit_code
from telemetry.checker.diagnostics import Diagnostic, Fatal, Fault, RegistryError, Severity
from telemetry.checker.rendering import render

GOOD = "groups: [{id: registry.x, type: attribute_group, brief: B., attributes: [\n"
GOOD += "  {id: x.y, type: int, brief: B., stability: stable, examples: [1]}]}]"


def folder(path: Path, text: str = GOOD) -> str:
    path.mkdir(parents=True, exist_ok=True)
    (path / "a.yaml").write_text(text, "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"v2": True}, "--v2 checks against the model of definition/2"),
        ({"policies": ("p.rego",)}, "--policy asks to run p.rego in Rego"),
        ({"display_policy_coverage": True}, "--display-policy-coverage"),
    ],
)
def test_what_only_weaver_can_do_is_refused(tmp_path: Path, options: dict[str, object], words: str) -> None:
    [found] = check(CheckOptions(registry=folder(tmp_path), **options))  # pyright: ignore[reportArgumentType]
    assert found.fault.kind == "Unsupported"
    assert words in found.fault.message
    assert exit_code([found]) == 1


def test_policies_may_be_left_out(tmp_path: Path) -> None:
    assert check(CheckOptions(registry=folder(tmp_path), policies=("p.rego",), skip_policies=True)) == ()


def test_a_baseline_must_resolve(tmp_path: Path) -> None:
    good = folder(tmp_path / "good")
    warns = folder(tmp_path / "warns", GOOD.replace(", stability: stable", ""))
    assert check(CheckOptions(registry=good, baseline_registry=good)) == ()
    assert check(CheckOptions(registry=good, baseline_registry=warns)) == ()
    [found] = check(CheckOptions(registry=good, baseline_registry=str(tmp_path / "none")))
    assert found.fault.kind == "SemConvSpecError"


def test_an_empty_registry_passes_as_it_does_in_weaver(tmp_path: Path) -> None:
    assert check(CheckOptions(registry=str(tmp_path))) == ()


def test_options_come_from_the_nearest_file_and_given_ones_win(tmp_path: Path) -> None:
    (tmp_path / ".weaver.toml").write_text(
        '[registry]\npath = "far"\nfollow_symlinks = true\n[policy]\npaths = ["p"]\nskip = true\n'
        '[diagnostics]\nformat = "json"\nstdout = true\n[live-check]\nno_stats = true\n',
        "utf-8",
    )
    inner = tmp_path / "in" / "ner"
    inner.mkdir(parents=True)
    found = configured({"registry": "near", "follow_symlinks": None}, start=inner)
    assert found == CheckOptions(
        registry="near",
        follow_symlinks=True,
        policies=("p",),
        skip_policies=True,
        diagnostic_format="json",
        diagnostic_stdout=True,
    )
    assert configured({"skip_policies": False}, start=inner).skip_policies is False
    other = tmp_path / "other.toml"
    other.write_text("", "utf-8")
    assert configured({}, other, start=inner) == CheckOptions()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[registry]\nroad = 1", r"\[registry\] has road, which is not known; known are path, "),
        ("[registry]\npath = 1", r"\[registry\] path is 1; it must be a str"),
        ("registry = 1", r"\[registry\] must be a table"),
        ("[registry", "cannot be read"),
        ('[diagnostics]\nformat = "poem"', "The diagnostic format is 'poem'"),
    ],
)
def test_files_with_mistakes(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / ".weaver.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=error):
        configured({}, start=tmp_path)


def test_templates_of_ones_own_are_refused(tmp_path: Path) -> None:
    (tmp_path / "diagnostic_templates" / "ansi").mkdir(parents=True)
    with pytest.raises(ValueError, match="holds templates that would replace the format"):
        configured({}, start=tmp_path)
    assert configured({"diagnostic_format": "json"}, start=tmp_path).diagnostic_format == "json"


WARNING = Diagnostic(
    fault=Fault(
        kind="Odd", fields={"id": "x"}, message="It is odd.\nVery.", severity=Severity.WARNING, help="Even it."
    ),
    layers=("Layer",),
    severity=Severity.WARNING,
)
FATAL = Fatal(
    Fault(
        kind="Bad",
        fields={"n": 1},
        message="50% bad",
        severity=Severity.ERROR,
        help="Mend it.",
        file="a,b.yaml",
        line=3,
    ),
    Fault(kind="Worse", fields=None, message="Worse."),
    layers=("Resolver",),
).diagnostic


def test_json_has_weavers_shape() -> None:
    warning, fatal = json.loads(render([WARNING, FATAL], "json"))
    assert warning["error"] == {"Layer": {"Odd": {"id": "x"}}}
    assert {key: warning["diagnostic"][key] for key in ("message", "severity", "help")} == {
        "message": "It is odd.\nVery.",
        "severity": "Warning",
        "help": "Even it.",
    }
    assert "It is odd." in warning["diagnostic"]["ansi_message"]
    assert fatal["error"] == {"Resolver": {"CompoundError": [{"Bad": {"n": 1}}, "Worse"]}}
    # What is fatal has lost its severity and its advice on the way, in Weaver as well.
    assert set(fatal["diagnostic"]) == {"message", "ansi_message"}
    assert fatal["diagnostic"]["message"] == "50% bad\n\nWorse."


def test_text_for_people() -> None:
    text = render([WARNING, FATAL], "ansi")
    assert "\x1b" not in text
    assert "  \N{WARNING SIGN} It is odd.\n  │ Very.\n  help: Even it." in text
    assert "  \N{MULTIPLICATION SIGN} a,b.yaml:3: 50% bad\n  \N{MULTIPLICATION SIGN} Worse." in text
    assert "\x1b[33m" in render([WARNING], "ansi", colour=True)


def test_commands_for_a_workflow() -> None:
    assert render([WARNING, FATAL], "gh_workflow_command").splitlines() == [
        "::group::Diagnostic report",
        "::warning title=Odd::It is odd.%0AVery.",
        "::error file=a%2Cb.yaml,line=3,title=Bad::50%25 bad",
        "::error title=Worse::Worse.",
        "::endgroup::",
    ]


@pytest.mark.parametrize("form", ["ansi", "json", "gh_workflow_command"])
def test_nothing_to_report(form: str) -> None:
    assert render([], form) == ""


def test_errors_travel_between_processes() -> None:
    error = RegistryError([WARNING, FATAL])
    again = pickle.loads(pickle.dumps(error))
    assert again.diagnostics == error.diagnostics
    assert again.faults == ("a,b.yaml:3: 50% bad", "Worse.")
    fatal = Fatal(FATAL.fault, layers=("Resolver",))
    assert pickle.loads(pickle.dumps(fatal)).diagnostic == fatal.diagnostic
