"""A study folder, for a report."""

from offload import places
from offload.drivers.folders import study_dir
from offload.findings.study import Study, of_tables


def study(folder: str) -> Study:
    """The study in a folder.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    return of_tables(*study_dir.read(folder), places.known())
