"""A command made of a function, and of the options that every command of its group has beside its own."""

import inspect
from collections.abc import Callable
from typing import Any

import typer

__all__ = ["add_command"]

Options = dict[str, Any]


def add_command(
    group: typer.Typer,
    name: str,
    body: Callable[..., object],
    *,
    shared_by: Callable[..., None],
    run: Callable[[typer.Context, Options, Options], None],
) -> None:
    """Add it to the group. `body` has its help and its own options, behind a first parameter, a session.

    `shared_by`: the group's callback, whose options stand behind these. `run` is given the context, what was
    given of the shared ones, and of its own.
    """
    _, *own = inspect.signature(body, eval_str=True).parameters.values()
    context, *shared = inspect.signature(shared_by).parameters.values()

    def command(ctx: typer.Context, **options: Any) -> None:
        given = {each.name: options.pop(each.name) for each in shared}
        run(ctx, given, options)

    parameters = [context, *own, *shared]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    group.command(name, help=inspect.getdoc(body))(command)
