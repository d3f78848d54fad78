"""Print docs/python.md: the docstrings of what `import offload` offers, with their examples."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from typer.main import get_command

import offload
from offload.api.boundary import FIELDS
from offload.cli.commands import app

INTRODUCTION = """\
# From Python

Generated from docstrings by `just docs`; its examples run as tests, in the project's folder.

`import offload` is quick: heavy modules are imported on first use. Warnings go to the logger \
`offload`. Errors are `OffloadError`s: the message says what is wrong, `hint`, shown in tracebacks \
too, what to do. The settings `model`, `url`, `token`, `workers`, `threads`, `offline` and \
`keep_local` apply here too. An example notebook: \
[examples/detect.ipynb](../examples/detect.ipynb).

| annotation | is |
|---|---|
| `Path`, `Names` | `str` or `os.PathLike`; one `str` or several |
| `Source`, `Sources` | a path, or an image in memory; one or several, or a `dict` by name |
| `Share`, `Percent` | 0 to 1; 1 to 100 |
| `Positive`, `Count`, `Workers`, `SidePx` | a whole number from 1; 0; 1 to 1024; 16 |
| `Seconds`, `Amount` | a number from 0 |
"""
FUNCTIONS, CLASSES = ("detect", "advise", "profile"), ("Detector", "Rows", "Row")
RECORDS = ("Detection", "Box", "Image", "Advice", "Measurement")
ERRORS = ("OffloadError", "UsageError", "ModelError", "PlaceUnavailable")


def page() -> Iterator[str]:
    """The page, part by part."""
    yield INTRODUCTION
    for name in FUNCTIONS:
        yield from function(f"offload.{name}", getattr(offload, name))
        yield from options(name, getattr(offload, name))
    for name in CLASSES:
        yield from function(f"offload.{name}", getattr(offload, name))
        yield from (f"### {name}{said}\n" for said in members(getattr(offload, name)))
    yield from function("offload.to_records", offload.to_records)
    for name in RECORDS:
        kind = getattr(offload, name)
        yield f"## offload.{name}\n\n{prose(kind)}\n\nFields: {named(kind)}.\n"
    yield "## Errors\n"
    yield "".join(f"- `offload.{name}`: {prose(getattr(offload, name))}\n" for name in ERRORS)


def function(name: str, of: Any) -> Iterator[str]:
    """Heading, signature and docstring."""
    yield f"## {name}\n"
    if signature := written(of.__init__ if inspect.isclass(of) else of):
        yield f"```python\n{name}({signature}\n```\n"
    yield f"{prose(of)}\n"
    if is_dataclass(of):
        yield f"Fields: {named(of)}.\n"


def written(of: Any) -> str:
    """The signature as it is written, with defaults as they are; empty if it has no keywords."""
    if not getattr(of, "__kwdefaults__", None):
        return ""
    tree = ast.parse(textwrap.dedent(inspect.getsource(of))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    parameters = inspect.signature(of).parameters
    lines = []
    for each in [*tree.args.args, None, *tree.args.kwonlyargs]:
        if each is None:
            lines.append("*")
        elif each.arg != "self":
            assert each.annotation is not None
            default = parameters[each.arg].default
            said = "" if default is inspect.Parameter.empty else f" = {default!r}"
            lines.append(f"{each.arg}: {ast.unparse(each.annotation)}{said}")
    gives = f" -> {ast.unparse(tree.returns)}" if tree.returns and of.__name__ != "__init__" else ""
    return "\n" + "".join(f"    {line},\n" for line in lines) + f"){gives}"


def options(command: str, of: Any) -> Iterator[str]:
    """What each keyword is, in the words of the command's help."""
    found = get_command(app).commands[command]  # type: ignore[attr-defined]
    found = getattr(found, "commands", {}).get("run", found)
    helps = {each.name: each for each in found.params}
    yield "| keyword | option | is |\n|---|---|---|"
    for name in of.__kwdefaults__:
        option = helps[FIELDS.get(name, name)]
        said = re.sub(r" ?\[(default|env): .*?\]", "", option.help).replace("|", "\\|")
        if re.search("_(s|usd|bytes)(_|$)", name):  # else typed with a unit
            said = re.sub(r",? such as [^.]+(\.\d[^.]*)?\.", ".", said)
        yield f"| `{name}` | `{max(option.opts, key=len)}` | {said} |"
    yield ""


def members(of: Any) -> Iterator[str]:
    """Methods and properties, with those of what it is derived from."""
    for kind in reversed([each for each in of.__mro__ if each.__module__.startswith("offload")]):
        for name, member in vars(kind).items():
            if name == "__call__":
                yield f"(image)\n\n{prose(member)}"
            elif name.startswith("_") or name == "of":
                continue
            elif isinstance(member, property):
                yield f".{name}\n\n{prose(member)}"
            elif callable(getattr(of, name)):
                yield f".{name}({called_with(getattr(of, name))})\n\n{prose(member)}"


def called_with(method: Any) -> str:
    """The parameters of a method, without their types."""
    found = [each for each in inspect.signature(method).parameters.values() if each.name != "self"]
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in found]
    return str(inspect.Signature(bare)).strip("()")


def named(kind: Any) -> str:
    """The names of its fields."""
    names = [each.name for each in fields(kind)] if is_dataclass(kind) else kind._fields
    return ", ".join(f"`{name}`" for name in names)


def prose(of: Any) -> str:
    """A docstring as Markdown: examples are code, errors a sentence."""
    text = inspect.getdoc(of) or ""
    text = re.sub(r"Raises:\n((?:    .*\n?)+)", lambda found: raises(found[1]), text)
    text = text.replace("  # doctest: +SKIP", "")
    return "\n\n".join(
        f"```python\n{block}\n```" if block.startswith(">>>") else block
        for block in text.split("\n\n")
    ).strip()


def raises(text: str) -> str:
    """What a function raises, in lines of a list."""
    lines = textwrap.dedent(text).replace("\n    ", " ").strip().splitlines()
    return "Raises\n" + "".join(
        f"- `{kind.replace(', ', '`, `')}`: {why}\n"
        for kind, why in (s.split(": ", 1) for s in lines)
    )


if __name__ == "__main__":
    print("\n".join(page()).rstrip())
