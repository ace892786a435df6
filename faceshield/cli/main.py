"""The command line: one lazily imported command a file, one-line errors, documented exit codes."""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Any

import click

import faceshield
from faceshield.core.errors import FaceshieldError

# OpenMP's waiting threads spin by default: beside another busy process two threads then run many times slower than
# one. OpenMP reads this variable when torch is loaded, so it is set before any command is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

COMMANDS = {
    "app": "app",
    "audit": "audit",
    "cloak": "cloak",
    "data": "data",
    "detect": "detect",
    "doctor": "doctor",
    "evaluate": "evaluate",
    "faces": "faces",
    "identity": "identity",
    "noise": "noise",
    "recipes": "recipes",
    "show": "show",
    "verify": "verify",
}

EXIT_CODES = """\b
Exit codes:
  0  done, every photo cloaked
  1  a bug: please report it
  2  the command or its options are wrong
  3  some photos were left unprotected (no clear face); the others are done
  4  some files could not be read; the others are done
  5  a stored file (weights, identity, output folder) is missing, damaged or cannot be written
  130  interrupted; --resume goes on"""


class Commands(click.Group):
    """Imports a command only when it is used: ``faceshield --help`` must not wait for torch."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # an arrow, or a file name that is not text, must not end a run
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"faceshield.cli.{COMMANDS[name]}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FaceshieldError as error:
            click.echo(f"faceshield: {error}", err=True)
            ctx.exit(error.exit_code)
        except OSError as error:  # a path that no command has checked: a name too long, a folder that may not be read
            click.echo(f"faceshield: {error.filename or 'the system'}: {error.strerror or error}", err=True)
            ctx.exit(5)
        except KeyboardInterrupt:
            click.echo("faceshield: interrupted; what is written already is kept", err=True)
            ctx.exit(130)


@click.group(cls=Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(faceshield.__version__, prog_name="faceshield")
def main() -> None:
    """Cloak your photos against face recognisers that are trained on them.

    The noise acts where a recogniser learns from the cloaked photos. It does not hide a face from a search that
    compares photos without training on them, and it does nothing for photos that are already online.
    """
