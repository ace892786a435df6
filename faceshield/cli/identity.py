"""faceshield identity: the noises kept on this machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from faceshield.core.budget import format_epsilon
from faceshield.core.errors import StoreError, UsageError


@click.group("identity")
def command() -> None:
    """List, show, export, import or delete the noises kept for people.

    A noise is private: anyone who has it can find every photo that carries it. Keep exports as you would a password.
    """


@command.command("list")
def list_() -> None:
    """List all identities kept here. Exit code 5 where the file of one is damaged."""
    from faceshield.noise import vault

    code = 0
    for name in vault.list_names():
        try:
            identity = vault.load(name)
            click.echo(f"{name}\t{identity.kind}\t{format_epsilon(identity.epsilon)}\t{identity.created}")
        except StoreError as error:
            click.echo(f"faceshield: {error}", err=True)
            code = error.exit_code
    click.get_current_context().exit(code)


@command.command()
@click.argument("name")
def show(name: str) -> None:
    """Show one identity, without its secret."""
    from faceshield.noise import vault

    identity = vault.load(name)
    click.echo(f"name                   {identity.name}")
    click.echo(f"noise                  {'private' if identity.kind == 'private' else 'public, from the bank'}")
    click.echo(f"epsilon                {format_epsilon(identity.epsilon)}")
    click.echo(f"made from              {identity.photos} photos, {identity.created}")
    click.echo(f"bank correlation       {identity.bank_correlation:.3f}  (1 = the public noise itself)")
    click.echo(f"file                   {vault.locate(name)}")


@command.command()
@click.argument("name")
@click.argument("file", type=click.Path(path_type=Path))
def export(name: str, file: Path) -> None:
    """Write identity NAME to FILE, to use it on another machine."""
    from faceshield.noise import vault

    if file.exists():
        raise UsageError(f"{file}: exists already; choose another name")
    vault.save(vault.load(name), file)
    click.echo(f"{file}: keep it secret, it links every photo that carries this noise")


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="Keep it under this name instead of the one in FILE.")
def import_(file: Path, name: str | None) -> None:
    """Keep the identity in FILE (made by 'identity export') on this machine."""
    from faceshield.noise import vault

    identity = vault.read(file)
    identity = replace(identity, name=name or identity.name)
    if vault.exists(identity.name):
        raise UsageError(f"identity {identity.name!r} is kept here already; choose another --name or delete it first")
    vault.save(identity)
    click.echo(f"identity {identity.name!r} is kept")


@command.command()
@click.argument("name")
@click.confirmation_option(prompt="Its noise cannot be made again; new photos would get another one. Delete it?")
def delete(name: str) -> None:
    """Delete identity NAME for good."""
    from faceshield.noise import vault

    vault.delete(name)
    click.echo(f"identity {name!r} is deleted")
