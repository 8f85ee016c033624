"""A group of commands that are imported one by one, when they are asked for.

Belongs here: finding a command by its name. Does not: any command, and which there are (`cli`).
"""

from collections.abc import Mapping
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
