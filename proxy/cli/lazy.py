"""A group of commands that are imported one by one, when they are asked for.

Belongs here: finding a command by its name. Does not: any command, and which there are (`cli`).
"""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """Commands by the *modules* that have them: each is a `click.Command` of its name in there."""

    def __init__(self, *, modules: Mapping[str, str], **settings: Any) -> None:
        super().__init__(**settings)
        self._modules = modules

    def __repr__(self) -> str:
        return f"<LazyGroup {self.name} of {len(self._modules)} commands>"

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The names of all commands."""
        return sorted(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of a name, None when there is none."""
        module = self._modules.get(cmd_name)
        if module is None:
            return None
        things = vars(import_module(module)).values()
        commands = (each for each in things if isinstance(each, click.Command))
        return next(each for each in commands if each.name == cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that *args* begin with; a usage error that guesses, when there is none."""
        matches = get_close_matches(args[0], self._modules, n=1)
        if matches and args[0] not in self._modules and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {matches[0]!r}?")
        return super().resolve_command(ctx, args)
