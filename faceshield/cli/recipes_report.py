"""The sections of the report: each recipe with its stored results."""

from __future__ import annotations

from pathlib import Path

from faceshield.core.results import Expected, Result
from faceshield.experiments.engine.plan import digest_config
from faceshield.experiments.engine.recipe import Recipe, find_recipes, read_recipe
from faceshield.reports.reproduction import Section
from faceshield.reports.results import read_results


def build_sections(recipes: Path, results: Path) -> list[Section]:
    """Build a section for each recipe below ``recipes``, sorted by id, then for each result without one (benchmarks).

    ``expected`` is taken from the recipe, not from the result: a bar may be added after the run. Raises UsageError or
    StoreError for an invalid recipe or result.
    """
    found = read_results(results)
    known = sorted((read_recipe(path) for path in find_recipes(recipes)), key=lambda recipe: recipe.id)
    ids = [recipe.id for recipe in known]
    others = list(dict.fromkeys(result["recipe"] for result in found if result["recipe"] not in ids))
    return [
        *(
            _build_recipe_section(recipe, [result for result in found if result["recipe"] == recipe.id])
            for recipe in known
        ),
        *(_build_results_section([result for result in found if result["recipe"] == name]) for name in others),
    ]


def _build_recipe_section(recipe: Recipe, results: list[Result]) -> Section:
    return Section(
        recipe.id,
        recipe.claim,
        recipe.note,
        tuple(recipe.expected),
        tuple(recipe.plots()),
        tuple(recipe.plot_metrics),
        tuple((result, _is_stale(recipe, result)) for result in results),
    )


def _build_results_section(results: list[Result]) -> Section:
    last = results[-1]
    expected = tuple(Expected.model_validate(bar) for bar in last["expected"])
    return Section(last["recipe"], last["claim"], None, expected, (), (), tuple((result, False) for result in results))


def _is_stale(recipe: Recipe, result: Result) -> bool:
    scale = result["scale"]
    return scale not in recipe.scales or result["config_sha256"] != digest_config(recipe, scale)
