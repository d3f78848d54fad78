"""The pages that `--help` prints: what a command is for, an example, its options by subject.

A paragraph of a docstring that begins with `offload` is an example, and keeps its lines. What is
below `Parameters:` is the help of each. Options that name no panel are those of the last one.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from typer import Typer
from typer.core import TyperCommand, TyperGroup

from offload.drivers.setting_kinds import OPTIONS

_WIDEST = 26
"""Letters of an option and what it takes that leave the explanation on the same line."""

_PARAMETER = re.compile(r"^    (\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)

_F = TypeVar("_F", bound=Callable[..., Any])
_HELD = "\xa0"


class _Page:
    """What the pages of commands and groups have in common."""

    help: str | None
    get_params: Any

    def get_help(self, ctx: Any) -> str:
        """The page."""
        text: str = super().get_help(ctx)  # type: ignore[misc] # typer's
        return text.replace(_HELD, " ")

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first line of the docstring."""
        return (self.help or "").strip().partition("\n")[0]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Arguments as documentation has them: `SOURCE...`, `[FILE]`."""
        pieces: list[str] = super().collect_usage_pieces(ctx)  # type: ignore[misc] # typer's
        return [piece.strip("{}").replace("}...", "...") for piece in pieces]

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """The docstring."""
        for paragraph in (self.help or "").split("\n\n"):
            formatter.write_paragraph()
            with formatter.indentation():
                if paragraph.lstrip().startswith("offload "):
                    lines = (f"    {line.strip()}\n" for line in paragraph.splitlines())
                    formatter.write("".join(lines))
                else:
                    formatter.write_text(paragraph.replace("\n", " "))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then options by panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if record := param.get_help_record(ctx):
                is_argument = param.param_type_name == "argument"
                panel = "Arguments" if is_argument else getattr(param, "rich_help_panel", None)
                name = record[0].partition(" <")[0]  # without the type in Python's words
                if choices := param.type_descriptor.choices:
                    name += f" [{'|'.join(choices)}]"
                text = record[1].replace("  [", " [") + _variable(param, ctx)
                text = text.replace("[env: ", f"[env:{_HELD}")
                panels.setdefault(panel or "", []).append((name, text))
        last = panels.pop("", [])
        names = [name for rows in [*panels.values(), last] for name, _ in rows]
        width = max(len(name) for name in names if len(name) <= _WIDEST)
        is_only = panels.keys() <= {"Arguments"}
        for panel, rows in {**panels, "Options" if is_only else "More options": last}.items():
            with formatter.section(panel):
                padded = [(f"{name:<{width}}", text) for name, text in rows]
                formatter.write_dl(padded, col_max=width)


def _variable(param: Any, ctx: Any) -> str:
    """The variable that sets an option, for its help."""
    key = max(param.opts, key=len).removeprefix("--").replace("-", "_")
    option = OPTIONS.get(key)
    is_set_so = option is not None and ctx.command_path.partition(" ")[2] in option.commands
    return f" [env: OFFLOAD_{key.upper()}]" if is_set_so else ""


class Command(_Page, TyperCommand):
    """A command and its page."""


class CommandGroup(_Page, TyperGroup):
    """Commands by panel, each with the first line of its docstring."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The commands, then the options."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.commands[name]
            panel = getattr(command, "rich_help_panel", None) or "Commands"
            panels.setdefault(panel, []).append((name, command.get_short_help_str()))
        for panel, rows in panels.items():
            with formatter.section(panel):
                width = max(map(len, self.commands))
                formatter.write_dl([(f"{name:<{width}}", text) for name, text in rows])
        super().format_options(ctx, formatter)


class RunGroup(CommandGroup):
    """A group that runs unless told to do something else."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command in front that may be left out."""
        known = {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, args if not args or args[0] in known else ["run", *args])


class App(Typer):
    """A group of commands whose pages are these."""

    def __init__(self, **settings: Any) -> None:
        usual: dict[str, Any] = {"cls": CommandGroup, "no_args_is_help": True}
        super().__init__(
            **usual | settings,
            rich_markup_mode=None,
            pretty_exceptions_enable=False,
        )

    def command(self, name: str | None = None, **settings: Any) -> Callable[[_F], _F]:
        """As typer's, with a page."""

        def taken(function: _F) -> _F:
            page = explained(function.__doc__ or "", function.__annotations__)
            return super(App, self).command(name, cls=Command, help=page, **settings)(function)

        return taken


def explained(docstring: str, options: Mapping[str, Any]) -> str:
    """The docstring without what it says of parameters, which is the help of those `options` from
    now on.
    """
    text, _, parameters = inspect.cleandoc(docstring).partition("\n\nParameters:\n")
    for name, said in _PARAMETER.findall(parameters):
        options[name].__metadata__[0].help = " ".join(said.split())
    return text
