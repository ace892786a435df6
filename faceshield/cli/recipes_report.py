"""Recipes and their stored results side by side, as the report's sections."""

from __future__ import annotations

from pathlib import Path

from faceshield.core.results import Expected, Result
from faceshield.experiments.engine.plan import plan
from faceshield.experiments.engine.recipe import Recipe, find_recipes, read_recipe
from faceshield.reports.reproduction import Section
from faceshield.reports.results import read_results


def sections(recipes: Path, results: Path) -> list[Section]:
    """One section a recipe below ``recipes``, sorted by id, then one for each result without a recipe (benchmarks).

    A recipe's own ``expected`` counts, not the one stored with the result: a bar may be added after the run. Raises
    UsageError or StoreError for a recipe or a result that is none.
    """
    found = read_results(results)
    known = sorted((read_recipe(path) for path in find_recipes(recipes)), key=lambda recipe: recipe.id)
    ids = [recipe.id for recipe in known]
    others = list(dict.fromkeys(result["recipe"] for result in found if result["recipe"] not in ids))
    return [
        *(_of_recipe(recipe, [result for result in found if result["recipe"] == recipe.id]) for recipe in known),
        *(_of_results([result for result in found if result["recipe"] == name]) for name in others),
    ]


def _of_recipe(recipe: Recipe, results: list[Result]) -> Section:
    return Section(
        recipe.id,
        recipe.claim,
        recipe.note,
        tuple(recipe.expected),
        tuple(recipe.plots()),
        tuple(recipe.plot_metrics),
        tuple((result, _stale(recipe, result)) for result in results),
    )


def _of_results(results: list[Result]) -> Section:
    last = results[-1]
    expected = tuple(Expected.model_validate(bar) for bar in last["expected"])
    return Section(last["recipe"], last["claim"], None, expected, (), (), tuple((result, False) for result in results))


def _stale(recipe: Recipe, result: Result) -> bool:
    scale = result["scale"]
    return scale not in recipe.scales or result["config_sha256"] != plan(recipe, scale).config_sha256
