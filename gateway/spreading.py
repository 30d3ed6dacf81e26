"""Options that several commands have in common, written down once: as the fields of a record."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, TypeVar, get_type_hints

Command = TypeVar("Command", bound=Callable[..., None])


def spread(record: type[Any], name: str) -> Callable[[Command], Command]:
    """A decorator: the command gets an option for each field of a dataclass, in place of its parameter ``name``.

    Typer reads options from signatures; the fields' annotations and defaults are what it reads. The command is called
    with the record.
    """
    hints = get_type_hints(record, include_extras=True)
    options = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if option.default is MISSING else option.default,
            annotation=hints[option.name],
        )
        for option in fields(record)
    ]

    def decorated(command: Command) -> Command:
        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            own = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            parameters += options if parameter.name == name else [own]

        @functools.wraps(command)
        def asked(**given: Any) -> None:
            made = record(**{option.name: given.pop(option.name) for option in options})
            command(**given, **{name: made})

        del asked.__wrapped__
        asked.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
        asked.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return asked  # pyright: ignore[reportReturnType]

    return decorated
