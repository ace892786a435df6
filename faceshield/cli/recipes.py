"""faceshield recipes: run the experiments behind the claims."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

ROOT = Path("recipes")


@click.group("recipes")
def command() -> None:
    """List, show and run the recipes under recipes/ (run from a source checkout)."""


@command.command("list")
def list_() -> None:
    """Every recipe with its claim and scales."""
    from faceshield.experiments.recipe import read_recipe

    for path in sorted(ROOT.glob("*/*.yaml")):
        recipe = read_recipe(path)
        click.echo(f"{recipe.id}  [{', '.join(recipe.scales)}]\n    {recipe.claim}")


@command.command()
@click.argument("name")
@click.option("--scale", default="mini", show_default=True)
def show(name: str, scale: Any) -> None:
    """The cells of recipe NAME."""
    from faceshield.experiments.run import plan

    recipe = _read(name)
    click.echo(recipe.claim)
    for number, planned in enumerate(plan(recipe, scale)):
        click.echo(f"  {number}: {', '.join(f'{k} {v}' for k, v in planned.key.items())}, seed {planned.seed}")


@command.command()
@click.argument("name")
@click.option("--scale", default="mini", show_default=True, type=click.Choice(["smoke", "mini", "paper"]))
@click.option("--cell", type=int, help="Run one cell only, by its number in 'recipes show'.")
@click.option(
    "--data", default="data", show_default=True, type=click.Path(path_type=Path), envvar="FACESHIELD_DATA",
    help="Folder that holds the data sets.",
)  # fmt: skip
@click.option("--results", default="recipes/results", show_default=True, type=click.Path(path_type=Path))
@click.option("--work", default="runs", show_default=True, type=click.Path(path_type=Path), help="Folder for caches.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--threads", type=int, help="CPU threads; the default is torch's.")
def run(
    name: str, scale: Any, cell: int | None, data: Path, results: Path, work: Path, device: str, threads: int | None
) -> None:
    """Run recipe NAME (an id such as faces/crops, or a YAML file) and write its result file.

    Finished cells are cached under --work, so that an interrupted run goes on where it stopped.
    """
    import torch

    from faceshield.experiments.registry import cell_of
    from faceshield.experiments.run import Context
    from faceshield.experiments.run import run as run_recipe
    from faceshield.training.runtime import Runtime

    if threads:
        torch.set_num_threads(threads)
    recipe = _read(name)
    context = Context(data, work / recipe.id / scale, Runtime.best(device), lambda text: click.echo(text, err=True))
    click.echo(run_recipe(recipe, scale, cell_of(recipe.experiment), context, results, cell))


def _read(name: str) -> Any:
    from faceshield.experiments.recipe import read_recipe

    path = Path(name)
    return read_recipe(path if path.suffix in (".yaml", ".yml") else ROOT / f"{name}.yaml")
