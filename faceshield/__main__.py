"""``python -m faceshield`` is the ``faceshield`` command."""

from faceshield.cli.main import main

main(prog_name="faceshield")
