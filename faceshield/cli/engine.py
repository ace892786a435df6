"""The options of commands that can work in several processes, or on several machines."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click

from faceshield.core.cluster import Cluster
from faceshield.core.errors import UsageError
from faceshield.core.processes import Processes, Workers


def with_engine(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --engine and --address to a command."""
    address = click.option("--address", help="With --engine ray: the cluster's head; auto for the one on this machine.")
    engine = click.option(
        "--engine", default="local", type=click.Choice(["local", "processes", "ray"]), show_default=True,
        help="What does the work: this process; one for each of --jobs, best for hundreds of photos; or a Ray cluster"
        " whose machines see the same folders.",
    )  # fmt: skip
    return engine(address(command))


def open_engine(engine: str, address: str | None, jobs: int) -> AbstractContextManager[Workers | None]:
    """The workers that the options name; None for this process. Raises UsageError where they do not fit."""
    if engine != "ray" and address is not None:
        raise UsageError(f"address {address!r} is that of a cluster; use it with --engine ray")
    if engine == "processes":
        return nullcontext(Processes(jobs))
    return Cluster(address) if engine == "ray" else nullcontext()
