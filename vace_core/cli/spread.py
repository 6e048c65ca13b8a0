"""Groups of options, spread into a command of one option for each of their fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, cast, get_type_hints

from typer import Context

from .console import errors_as_exit_codes

Made = TypeVar("Made")
Asked = TypeVar("Asked")
Group = TypeVar("Group")


def spread(
    task: Callable[..., Asked], group: type[Group], act: Callable[[str, Callable[[], Asked], Group, Context], None]
) -> Callable[..., None]:
    """The command that hands `task` on to `act`, which asks it by calling it.

    Every group of options among the parameters of `task`, and `group` after them, becomes one option for each field.
    """
    hints = get_type_hints(task, include_extras=True)
    own = [(parameter, hints[parameter.name]) for parameter in inspect.signature(task).parameters.values()]
    groups = {parameter.name: hint for parameter, hint in own if is_dataclass(hint)}
    parameters = [inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=Context)]
    for parameter, hint in own:
        single = parameter.replace(annotation=hint, kind=parameter.KEYWORD_ONLY)
        parameters += _fields(cast("type", hint)) if is_dataclass(hint) else [single]
    parameters += _fields(group)

    @errors_as_exit_codes()
    def command(context: Context, **given: Any) -> None:
        made = {name: _taken(cast("type", hint), given) for name, hint in groups.items()}
        options = _taken(group, given)
        act(task.__name__, lambda: task(**given, **made), options, context)

    command.__name__, command.__doc__ = task.__name__, task.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _taken(group: type[Made], given: dict[str, Any]) -> Made:
    """The options of one group, taken out of what was given."""
    return group(**{field.name: given.pop(field.name) for field in fields(cast("Any", group))})


def _fields(group: type) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
