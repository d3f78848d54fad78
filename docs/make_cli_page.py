"""Print docs/cli.md: the help of every command, as `offload` itself shows it."""

from collections.abc import Iterator
from typing import Any

from typer import Context
from typer.main import get_command

from offload.cli.commands import app

WIDTH = 80


def page() -> str:
    """The whole page."""
    parts = ["# The commands\n\nGenerated from `--help` by `just docs`.\n"]
    parts += (f"## {name}\n\n```\n{text}\n```\n" for name, text in helps(get_command(app), None))
    return "\n".join(parts)


def helps(command: Any, parent: Context | None) -> Iterator[tuple[str, str]]:
    """Name and help of a command and of those below it."""
    name = "offload" if parent is None else command.name
    context = command.make_context(
        name, [], parent, resilient_parsing=True, terminal_width=WIDTH, max_content_width=WIDTH
    )
    lines = (line.rstrip() for line in command.get_help(context).splitlines())
    yield context.command_path, "\n".join(lines)
    for below in getattr(command, "commands", {}).values():
        yield from helps(below, context)


if __name__ == "__main__":
    print(page(), end="")
