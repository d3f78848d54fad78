"""What is typed is carried out; what is wrong with it is said in one way, whoever found it."""

import re
from typing import Any

import typer

from offload.cli.parsing.configured import is_set
from offload.cli.process import INTERRUPTED
from offload.domain.errors import OffloadError, UsageError, meant

_KINDS = {int: "a whole number", float: "a number"}


def exit_code(app: typer.Typer) -> int:
    """Carry out what was typed."""
    try:
        return app(prog_name="offload", standalone_mode=False) or 0
    except typer.Abort:  # Ctrl-C, or the end of the input, where something was asked
        return INTERRUPTED
    except typer.TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # a group was asked for nothing
            typer.echo(error.message, err=True)
            return UsageError.exit_code
        wrong: OffloadError = explained(error)
    except OffloadError as error:
        wrong = error
    from offload.domain.events import failed
    from offload.render import messages

    messages.chosen().hear(failed(wrong))
    return wrong.exit_code


def explained(error: typer.TyperException) -> UsageError:
    """One sentence, and the command that shows what there is.

    What is of the parser's own is known by what it carries, not by its class, which is private.
    """
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context else "offload"
    hint = f"For help: {command} --help"
    parameter, option = getattr(error, "param", None), getattr(error, "option_name", None)
    if parameter is not None:
        if is_set(context, parameter.name):
            hint = "To see where it is set: offload config"
        return UsageError(_of_value(error, parameter, context), hint=hint)
    if option is not None:
        return UsageError(_of_option(error, option, context), hint=hint)
    if unknown := re.match(r"No such command '(.*?)'", error.message):
        like = meant(unknown[1], context.command.commands)
        return UsageError(f"{command} has no command {unknown[1]!r}.{like}", hint=hint)
    if more := re.match(r"Got unexpected extra argument.*? \((.*)\)", error.message):
        return UsageError(f"{command} does not take {more[1]!r}.", hint=hint)
    return UsageError(f"{error.message.rstrip('.')}.", hint=hint)


def _of_option(error: typer.TyperException, option: str, context: Any) -> str:
    if hasattr(error, "possibilities"):
        known = [spelled for each in context.command.params for spelled in each.opts]
        return f"{context.command_path} has no option {option}.{meant(option, known)}"
    needs = "needs a value" if "requires" in error.message else "takes no value"
    return f"{option} {needs}."


def _of_value(error: typer.TyperException, parameter: Any, context: Any) -> str:
    name = _name(parameter)
    if is_set(context, parameter.name):
        name = f"The setting {name.removeprefix('--')}"
    found: Any = error.__cause__
    if not hasattr(found, "errors"):
        return error.message or f"{name} is missing."
    typed = found.errors()[0]["input"]
    about = parameter.type_descriptor
    choices = [str(getattr(each, "value", each)) for each in about.choices or ()]
    takes = ", ".join(choices) or _number(about)
    return f"{name} takes {takes}, not {typed!r}.{meant(str(typed), choices)}"


def _name(parameter: Any) -> str:
    """As it is typed."""
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    return str(max(parameter.opts, key=len))


def _number(about: Any) -> str:
    least, most = about.parameter_info.min, about.parameter_info.max
    kind = _KINDS.get(about.annotation, "another value")
    if least is None or most is None:
        return kind if least is None else f"{kind}, {least} or more"
    return f"{kind} from {least} to {most}"
