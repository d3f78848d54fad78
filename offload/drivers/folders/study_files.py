"""The files of a study folder, read and not changed."""

import csv
import json
import os
from dataclasses import dataclass

from offload.domain.errors import UsageError
from offload.domain.results import Json
from offload.domain.study_tables import HINT
from offload.domain.timing import with_new_names


@dataclass(frozen=True, slots=True)
class Files:
    """The lines of both tables, each by the names of its columns, and both documents."""

    runs: list[dict[str, str]]
    images: list[dict[str, str]]
    design: Json
    environment: Json


def read(folder: str) -> Files:
    """What is there; of all but the runs, what is missing is empty.

    Raises:
        UsageError: it is no study, or a file of it is damaged.
    """
    if not os.path.isfile(os.path.join(folder, "runs.csv")):
        raise UsageError(f"There is no study in {folder!r}.", hint=HINT)
    return Files(
        runs=_table(folder, "runs.csv"),
        images=_table(folder, "per_image.csv"),
        design=_document(folder, "study.json"),
        environment=_document(folder, "environment.json"),
    )


def _table(folder: str, name: str) -> list[dict[str, str]]:
    lines = _text(folder, name).splitlines(keepends=True)
    # A kill can leave half a line, which the experiment's next start repairs.
    whole = lines[:-1] if lines and not lines[-1].endswith("\n") else lines
    try:
        rows = [row for row in csv.DictReader(whole) if None not in row.values()]
        return list(map(with_new_names, rows))
    except csv.Error as error:
        raise UsageError(
            f"The file {name} of this study is damaged: {error}.", hint=HINT
        ) from error


def _document(folder: str, name: str) -> Json:
    text = _text(folder, name)
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise UsageError(
            f"The file {name} of this study is damaged: {error}.", hint=HINT
        ) from error
    if not isinstance(found, dict):
        raise UsageError(f"The file {name} of this study is damaged.", hint=HINT)
    return found


def _text(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="utf-8-sig", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        said = f"The file {name} of this study cannot be read: {reason}."
        raise UsageError(said, hint=HINT) from error
