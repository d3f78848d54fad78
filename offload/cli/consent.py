"""Consent to what costs money or removes something: asked for on a terminal, else `--yes`."""

import shlex
import sys
from collections.abc import Iterable
from typing import Annotated

import typer
from typer import Option

from offload.domain.errors import UsageError

Yes = Annotated[bool, Option("--yes", "-y", help="Do not ask before spending money.")]


def given(question: str, what: str) -> bool:
    """Whether a person says yes to `question`.

    Raises:
        UsageError: there is nobody to ask; `what` is what needs consent.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            f"{what} needs --yes.", hint=f"To agree in advance: {typed_again('--yes')}"
        )
    return typer.confirm(question, err=True)


def to_create(what: str, *, yes: bool) -> None:
    """See that something may be created, which was shown.

    Raises:
        UsageError: there is nobody to ask.
        Exit: it may not.
    """
    if not yes and not given("Create it?", f"Creating {what}"):
        raise typer.Exit(1)


def typed_again(*more: str) -> str:
    """What was typed, with more words; a token in it is not shown once more."""
    words = ["offload", *sys.argv[1:]]
    for number, word in enumerate(words):
        if word == "--token":
            words[number + 1 : number + 2] = ["…"]
        elif word.startswith("--token="):
            words[number] = "--token=…"
    return shlex.join([*words, *more])


def to_rented(places: Iterable[str], *, yes: bool) -> None:
    """See that those of the places that cost money may be used.

    Raises:
        UsageError: there is nobody to ask.
        Exit: they may not.
    """
    from offload.places import known

    rented = ", ".join(name for name in dict.fromkeys(places) if known()[name].rented)
    if not rented or yes:
        return
    if not given(f"Using {rented} may cost money. Begin?", f"Using {rented} may cost money and"):
        raise typer.Exit(1)


def to_engine(name: str, *, yes: bool) -> None:
    """See that an engine may be used, if it costs money or sends images away.

    Raises:
        UsageError: there is no such engine, or there is nobody to ask.
        Exit: it may not.
    """
    from offload import engines

    traits = engines.traits(name)
    if yes or not (traits.bills or traits.leaves_machine):
        return
    does = "may cost money" if traits.bills else "has images read by other computers"
    if not given(f"The engine {name} {does}. Begin?", f"The engine {name} {does}, so it"):
        raise typer.Exit(1)
