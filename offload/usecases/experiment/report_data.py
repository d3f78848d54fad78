"""A study folder, for a report."""

from offload import places
from offload.drivers.folders import study_files
from offload.findings.study import Study, of_tables


def study(folder: str) -> Study:
    """The study in a folder.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    files = study_files.read(folder)
    return of_tables(files.runs, files.images, files.design, files.environment, places.known())
