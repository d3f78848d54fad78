"""This process: when it began, and the exit codes that it ends with besides those of errors."""

from time import perf_counter

BEGAN_S = perf_counter()
"""When this process began, as far as Python code can tell; before anything heavy is imported."""

SOME_FAILED = 3
UNAVAILABLE = 4
INTERRUPTED = 130
