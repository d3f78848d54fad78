"""`python -m offload`."""

from offload.cli import main

main()
