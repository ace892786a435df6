"""faceshield noise: make noise for a data set of class folders, add it to the pictures, describe a noise file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from faceshield.cli.progress import Bars
from faceshield.core.budget import format_epsilon, parse_epsilon
from faceshield.core.errors import UsageError
from faceshield.core.outputs import refuse_inside

FILE = click.Path(path_type=Path)

size_option = click.option("--size", type=int, help="Bring the middle square of each picture to this many pixels.")
limit_option = click.option("--limit", type=int, help="At most so many pictures a class, drawn from their names.")


@click.group("noise")
def command() -> None:
    """Make data sets unlearnable: noise for every class or every picture, by the paper's methods.

    DATA is a folder or .zip of class folders (its train part, if it has one), CIFAR-10 or CIFAR-100 (binary version),
    SVHN's train_32x32.mat, or the word digits.
    """


@command.command()
@click.argument("data")
@click.option("-o", "--out", required=True, type=FILE, help="The noise file to write (.safetensors).")
@click.option("--method", default="error-min", show_default=True, help="random, error-max, error-min, eq5-adam, …")
@click.option("--form", default="class", show_default=True, type=click.Choice(["sample", "class"]))
@click.option("--epsilon", default="8/255", show_default=True, help="Largest change of any pixel value.")
@click.option("--setting", default="paper", show_default=True, help="paper, fast or released-code.")
@click.option("--seed", default=0, show_default=True)
@click.option("--model", default="resnet18", show_default=True, help="The surrogate network.")
@click.option("--width", default=64, show_default=True, type=click.IntRange(1), help="Its width; 16 suits a CPU.")
@click.option("--rounds", type=click.IntRange(1), help="Rounds at most; the method's default if not given.")
@click.option("--patch", metavar="H,W", help="Size of a patch in pixels (method patch).")
@click.option(
    "--epochs", default=15, show_default=True, help="Of training the network that error-max, tap and sep need."
)
@size_option
@limit_option
@click.option("--resume", is_flag=True, help="Go on with an interrupted run from the checkpoint beside OUT.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N.")
def generate(data: str, out: Path, epsilon: str, patch: str | None, device: str, resume: bool, **rest: Any) -> None:
    """Make noise for DATA and write it to OUT.

    Error-minimizing noise is made round by round; after each round a checkpoint lies beside OUT, which --resume goes on
    from and which is deleted at the end.
    """
    import faceshield
    from faceshield.training.generate import Request, generate_noise
    from faceshield.training.runtime import Runtime

    request = Request(epsilon=parse_epsilon(epsilon), patch=_parse_patch(patch), **rest)
    runtime = Runtime.best(device)
    is_main = runtime.ranks.rank == 0
    with Bars(silent=not is_main) as bars:
        noise = generate_noise(
            data, out, request, runtime, version=faceshield.__version__, resume=resume, progress=bars
        )
    if not is_main:
        return
    errors = noise.provenance.get("errors", [])
    summary = f", {len(errors)} rounds, error {errors[-1]:.3f}" if errors else ""
    click.echo(f"{out}: {noise.form}-wise {request.method} noise for {len(noise.keys)} keys{summary}")


@command.command()
@click.argument("data")
@click.option("--noise", "file", required=True, type=FILE, help="A file of 'faceshield noise generate'.")
@click.option("-o", "--out", required=True, type=FILE, help="New folder for the pictures with their noise.")
@click.option(
    "--variant", default="paper", show_default=True, help="paper, or released-code (which loses negative noise)."
)
@click.option("--seed", default=0, show_default=True, help="Draws the places of patches.")
@size_option
@limit_option
def apply(data: str, file: Path, out: Path, variant: Any, seed: int, size: int | None, limit: int | None) -> None:
    """Add noise to DATA and write the pictures as class folders of PNG files into OUT.

    --size and --limit are those that the noise was made with, unless given. Sample-wise noise fits only the pictures
    that it was made for; class-wise noise fits all data with the same classes.
    """
    from faceshield.data.sources import open_training_part
    from faceshield.data.tree_out import write_tree
    from faceshield.data.unlearnable import unlearnable
    from faceshield.noise.file import read_noise, refuse_other_data

    if out.exists():
        raise UsageError(f"{out}: exists already; choose another folder")
    refuse_inside(out, Path(data))
    noise = read_noise(file)
    provenance = noise.provenance
    size, limit = (
        provenance.get(name) if given is None else given for name, given in (("size", size), ("limit", limit))
    )
    examples = open_training_part(data, size, limit)
    refuse_other_data(noise, examples, file)
    with Bars() as bars:
        noisy = unlearnable(examples, noise, variant=variant, place_seed=seed)
        write_tree(noisy, out, on_written=lambda done, total: bars("writing", done, total))
    click.echo(f"{out}: {len(noisy)} pictures of {len(noisy.classes)} classes")


@command.command()
@click.argument("file", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def info(file: Path, as_json: bool) -> None:
    """What the noise in FILE is: method, form, ε, keys, size, and how it was made."""
    from faceshield.noise.file import read_noise

    noise = read_noise(file)
    values: dict[str, Any] = {
        "method": noise.provenance.get("method"),
        "form": noise.form,
        "epsilon": noise.budget.epsilon,
        "norm": noise.budget.norm,
        "linf_255": round(float(noise.delta.abs().max()) * 255, 4),
        "height": noise.delta.shape[2],
        "width": noise.delta.shape[3],
        "keys": list(noise.keys),
    }
    if as_json:
        click.echo(json.dumps({**values, "provenance": dict(noise.provenance)}, indent=1))
        return
    values["epsilon"] = format_epsilon(noise.budget.epsilon)
    values["keys"] = f"{len(noise.keys)}, from {noise.keys[0]!r} to {noise.keys[-1]!r}"
    for name, value in values.items():
        click.echo(f"{name:<12} {value}")
    click.echo("made with")
    for name, value in noise.provenance.items():
        last = f"{len(value)} of them, the last {value[-1]:.4f}" if name == "errors" and value else value
        click.echo(f"  {name:<12} {last}")


def _parse_patch(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        height, width = (int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"patch {text!r} is not a size; give height and width such as 16,16") from None
    return height, width
