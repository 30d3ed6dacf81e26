"""``python -m gateway`` is ``swarmlore``."""

from gateway.cli import main

main()
