"""faceshield recipes: run the experiments behind the claims, and report what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

SCALES = click.Choice(["smoke", "mini", "paper"])
FOLDER = click.Path(path_type=Path)

data_option = click.option(
    "--data", default="data", show_default=True, type=FOLDER, envvar="FACESHIELD_DATA",
    help="Folder that holds the data sets.",
)  # fmt: skip
results_option = click.option(
    "--results", default="recipes/results", show_default=True, type=FOLDER, help="Folder of the result files."
)


@click.group("recipes")
def command() -> None:
    """List, show, run and report the recipes that come with the tool, or your own YAML files."""


@command.command("list")
@results_option
def list_(results: Path) -> None:
    """Every recipe with its claim, its scales, and the results that exist."""
    from faceshield.experiments.engine.recipe import find_folder, find_recipes, read_recipe

    for path in find_recipes(find_folder()):
        recipe = read_recipe(path)
        there = [scale for scale in recipe.scales if (results / f"{recipe.id}.{scale}.json").is_file()]
        click.echo(f"{recipe.id}  [{', '.join(recipe.scales)}]  results: {', '.join(there) or 'none yet'}")
        click.echo(f"    {recipe.claim}")


@command.command()
@click.argument("name")
@click.option("--scale", default="mini", show_default=True)
def show(name: str, scale: Any) -> None:
    """The cells of recipe NAME, its settings, and what is expected of it."""
    from faceshield.experiments.engine.plan import plan
    from faceshield.experiments.registry import load_experiment
    from faceshield.reports.verdict import format_bar

    recipe = _read_named(name)
    load_experiment(recipe)  # a misspelt setting is refused here, not hours later
    click.echo(recipe.claim)
    for planned in plan(recipe, scale):
        click.echo(f"  {planned.number}: {planned.title}")
    click.echo(f"settings at {scale}")
    for key, value in recipe.at(scale).items():
        click.echo(f"  {key}: {value}")
    click.echo("expected")
    for bar in recipe.expected:
        click.echo(f"  {format_bar(bar)}")
    if not recipe.expected:
        click.echo("  nothing: the recipe makes something, or measures without a bar")


@command.command()
@click.argument("name")
@click.option("--scale", default="mini", show_default=True, type=SCALES)
@click.option("--cell", type=int, help="Run one cell only, by its number in 'recipes show'.")
@click.option("--seeds", help="Run these seeds only, such as 0,1,2; further ones than the recipe's are added.")
@click.option("--plan", "plan_only", is_flag=True, help="Print the cells, data, disk and hours, and run nothing.")
@data_option
@click.option(
    "--instead",
    multiple=True,
    metavar="NAME=OTHER",
    help="Read the data set OTHER where the recipe names NAME; the result file says so. Repeatable.",
)
@results_option
@click.option("--work", default="runs", show_default=True, type=FOLDER, help="Folder for caches.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--threads", type=int, help="CPU threads; the default is torch's.")
def run(
    name: str,
    scale: Any,
    cell: int | None,
    seeds: str | None,
    plan_only: bool,
    data: Path,
    instead: tuple[str, ...],
    results: Path,
    work: Path,
    device: str,
    threads: int | None,
) -> None:
    """Run recipe NAME (an id such as faces/crops, or a YAML file) and write its result file and figures.

    Finished cells are cached under --work, so that an interrupted run goes on where it stopped; the result file lists
    the unfinished cells. On several devices: torchrun --nproc-per-node 2 -m faceshield recipes run NAME …
    """
    import torch

    from faceshield.cli.recipes_progress import CellBar
    from faceshield.experiments.engine.context import Context
    from faceshield.experiments.engine.dry_run import dry_run
    from faceshield.experiments.engine.run import Run
    from faceshield.experiments.engine.run import run as run_recipe
    from faceshield.experiments.registry import load_experiment
    from faceshield.training.runtime import Runtime

    chosen = _parse_seeds(seeds)
    if cell is not None and chosen is not None:
        raise click.UsageError("--cell names one cell with its seed; leave --seeds out")
    if threads:
        torch.set_num_threads(threads)
    recipe = _read_named(name)
    experiment = load_experiment(recipe)
    runtime = Runtime.best(device)
    is_main = runtime.ranks.rank == 0
    with CellBar(silent=not is_main) as bar:
        place = experiment.place(work / recipe.id / scale)
        context = Context(data, place, runtime, bar.say, work / "shared", _parse_pairs(instead))
        this = Run(recipe, scale, experiment, context, results, chosen)
        if plan_only:
            found = dry_run(this, only=cell)
            if is_main:
                click.echo(_format_plan(found))
            return
        path = run_recipe(this, only=cell, on_cell=bar.on_cell)
    if is_main:
        click.echo(path)


@command.command()
@click.option("-o", "--out", default=".", show_default=True, type=FOLDER, help="Folder for the two files.")
@results_option
def report(out: Path, results: Path) -> None:
    """Write REPRODUCTION.md and REPRODUCTION.html: every recipe's claim, the paper's numbers, ours, and the verdict.

    The figures are drawn anew beside the result files. A smoke result tests the code; it is not a reproduction.
    """
    from faceshield.cli.recipes_report import build_sections
    from faceshield.experiments.engine.recipe import find_folder
    from faceshield.reports.reproduction import write_report

    for path in write_report(build_sections(find_folder(), results), results, out):
        click.echo(path)


def _read_named(name: str) -> Any:
    from faceshield.experiments.engine.recipe import find_folder, read_recipe

    path = Path(name)
    return read_recipe(path if path.suffix in (".yaml", ".yml") else find_folder() / f"{name}.yaml")


def _parse_seeds(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a list of seeds; give whole numbers such as 0,1,2") from None


def _parse_pairs(given: tuple[str, ...]) -> dict[str, str]:
    for text in given:
        if not all(text.partition("=")):
            raise click.BadParameter(
                f"--instead {text!r} is not a pair; give NAME=OTHER, such as cifar.tar.gz=cifar.zip"
            )
    return {name: other for name, _, other in (text.partition("=") for text in given)}


def _format_plan(found: Any) -> str:
    """Format a DryRun as text."""
    from faceshield.reports.results import format_duration

    lines = [f"cells: {len(found.cells)}, of which {sum(done for _, done, _ in found.cells)} are done"]
    for planned, done, seconds in found.cells:
        note = "  (done)" if done else f"  (about {format_duration(seconds)})" if seconds else ""
        lines.append(f"  {planned.number}: {planned.title}{note}")
    lines.append("data: " + ("none needed" if not found.data else ""))
    lines += [f"  {path}: {'present' if there else 'absent'}" for path, there in found.data.items()]
    lines.append(f"disk: {found.used_bytes / 1e6:.1f} MB in caches, {found.free_bytes / 1e9:.1f} GB free")
    if found.seconds is None:
        lines.append(f"hours: unknown; {found.basis}, run one (--cell {found.cells[0][0].number}) first")
    else:
        lines.append(f"hours: {found.seconds / 3600:.2f}" + (f" (by {found.basis})" if found.seconds else ""))
    return "\n".join(line.rstrip() for line in lines)
