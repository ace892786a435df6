"""Figures: pictures that open, at their size, say what they show, and are the same bytes each time."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from faceshield.core.errors import UsageError
from faceshield.core.results import Expected
from faceshield.reports.bars import draw_bars
from faceshield.reports.confusion import draw_confusion
from faceshield.reports.curves import draw_curves
from faceshield.reports.figures import draw, draw_all
from faceshield.reports.lines import draw_lines
from faceshield.reports.look import CYCLE, FIXED, assign_colours
from faceshield.reports.plot import Plot, format_key

CLAIM = "Error-minimising noise keeps a network from learning, in both forms, throughout its training (a test)."


def result(scale="mini", forms=("sample", "class"), percentages=(20, 100)):
    cells = [
        {
            "key": {"noise": noise, "form": form, "percentage": percentage},
            "seed": seed,
            "metrics": {
                "test_accuracy_final": final + seed / 100,
                "curve_test": [0.1, 0.3, 0.5, final + seed / 100],
                "confusion": [[8, 2], [seed, 10 - seed]],
            },
        }
        for noise, final in (("none", 0.9), ("error-min", 0.2))
        for form in forms
        for percentage in percentages
        for seed in (0, 3)
    ]
    return {"recipe": "tests/fig", "scale": scale, "claim": CLAIM, "device": "a device", "cells": cells}


def small():
    """Two keys, for what does not depend on their number: drawing takes its time."""
    return result(forms=("class",), percentages=(20,))


EXPECTED = [
    Expected(key={"noise": "none"}, metric="test_accuracy_final", paper=0.95),
    Expected(key={"noise": "error-min", "form": "class"}, metric="test_accuracy_final", paper=0.16, at_most=0.25),
]
PLOTS = [
    Plot("curves"),
    Plot("bars", x="percentage", by="noise"),
    Plot("lines", x="percentage", by="noise"),
    Plot("confusion"),
]
# what remains of linear RGB (Machado, Oliveira and Fernandes 2009, full severity)
RED_BLIND = [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]
GREEN_BLIND = [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
SIZES = {"curves": (2, 2), "bars": (1, 1), "lines": (1, 1), "confusion": (2, 2)}  # columns, rows


@pytest.mark.parametrize("plot", PLOTS, ids=[plot.kind for plot in PLOTS])
def test_every_kind_is_a_picture_and_a_drawing_that_say_what_they_show(plot, tmp_path):
    shown = result(forms=("class",)) if plot.kind == "confusion" else result()
    files = draw(shown, plot, EXPECTED, tmp_path / "a.mini")
    assert [file.name for file in files] == ["a.mini.png", "a.mini.svg"]
    columns, rows = SIZES[plot.kind]
    width, height = {"confusion": (4.2, 3.9)}.get(plot.kind, (4.6, 3.4))
    with Image.open(files[0]) as picture:
        picture.load()
        if plot.kind != "bars":  # as wide as its bars are many
            assert picture.width == pytest.approx(150 * max(7.2, columns * width), abs=1)
        assert picture.height == pytest.approx(150 * (rows * height + 1.3), abs=1)
        assert len(picture.convert("RGB").getcolors(1 << 20)) > 20
    tree = ElementTree.parse(files[1])
    assert tree.getroot().tag == "{http://www.w3.org/2000/svg}svg"
    drawn = files[1].read_text(encoding="utf-8")
    # letters are drawn as outlines, and their text stands beside them as a comment
    assert "<!-- tests/fig at mini scale · seeds 0, 3 (± is their standard deviation) · a device -->" in drawn
    assert f"<!-- {CLAIM.split(',')[0]}" in drawn
    again = draw(shown, plot, EXPECTED, tmp_path / "b.mini")
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]


def test_a_smoke_figure_says_that_it_is_no_result(tmp_path):
    _, svg = draw(result("smoke"), Plot("bars"), [], tmp_path / "a")
    assert "made to test the code: not a result" in svg.read_text(encoding="utf-8")


def test_curves_are_means_with_the_papers_value_at_their_end():
    figure = draw_curves(result(), Plot("curves"), EXPECTED)
    assert [panel.get_title() for panel in figure.axes] == [
        f"form {form}, percentage {share}" for form in ("sample", "class") for share in (20, 100)
    ]
    lines_ = {line.get_label(): line for line in figure.axes[2].get_lines()}
    assert lines_["error-min"].get_xdata().tolist() == [1, 2, 3, 4]
    assert lines_["error-min"].get_ydata().tolist() == pytest.approx([0.1, 0.3, 0.5, 0.215])
    assert lines_["error-min"].get_color() == FIXED["error-min"]
    diamonds = [line for line in figure.axes[2].get_lines() if line.get_marker() == "D"]
    ends = [line.get_ydata()[0] for line in diamonds if len(line.get_ydata())]
    assert sorted(ends) == [0.16, 0.95]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "none",
        "error-min",
        "the paper's final value",
    ]


def test_every_panel_names_its_metric_where_there_are_several():
    drawn = {**result(), "cells": [cell for cell in result()["cells"] if cell["key"]["form"] == "class"]}
    for cell in drawn["cells"]:
        cell["metrics"]["curve_added"] = [0.5, 0.0]
    named = [panel.get_ylabel() for panel in draw_curves(drawn, Plot("curves"), EXPECTED).axes]
    assert named == ["clean test accuracy", ""], "they share it"
    both = Plot("curves", metrics=("curve_added", "curve_test"))
    named = [panel.get_ylabel() for panel in draw_curves(drawn, both, EXPECTED).axes]
    assert named == ["accuracy on the added class"] * 2 + ["clean test accuracy"] * 2


def test_bars_stand_beside_the_papers():
    figure = draw_bars(result(), Plot("bars", x="percentage", by="noise"), EXPECTED)
    (panel,) = figure.axes
    heights = [bar.get_height() for bar in panel.patches if bar.get_width() and bar.get_height()]
    assert [height for height in heights if height not in (0.95, 0.16)] == pytest.approx([0.915] * 4 + [0.215] * 4)
    assert heights.count(0.95) == 4
    assert heights.count(0.16) == 2
    assert [tick.get_text() for tick in panel.get_xticklabels()] == [
        f"{share}, form {form}" for form in ("sample", "class") for share in (20, 100)
    ]
    rungs = [line for line in panel.get_lines() if line.get_linestyle() == "--" and len(line.get_xdata())]
    assert [list(line.get_ydata()) for line in rungs] == [[0.25, 0.25]] * 2


def test_lines_run_over_the_swept_number():
    figure = draw_lines(result(), Plot("lines", x="percentage", by="noise"), EXPECTED)
    (panel,) = figure.axes
    named = {line.get_label(): line for line in panel.get_lines()}
    assert list(named["none, form class"].get_xdata()) == [20, 100]
    assert list(named["none, form class"].get_ydata()) == pytest.approx([0.915, 0.915])
    assert panel.get_xlabel() == "percentage"
    papers = [list(line.get_ydata()) for line in panel.get_lines() if line.get_linestyle() == "--"]
    assert [0.16, 0.16] in papers


def test_a_matrix_is_the_share_of_each_row_over_all_seeds():
    figure = draw_confusion(result(), Plot("confusion"), [])
    (image,) = figure.axes[0].get_images()
    assert image.get_array().tolist() == [[0.8, 0.2], [0.15, 0.85]]
    assert [text.get_text() for text in figure.axes[0].texts] == ["80", "20", "15", "85"]


@pytest.mark.parametrize(
    ("plot", "told"),
    [
        (Plot("curves", metrics=("curve_x",)), "no cell holds a list curve_x"),
        (Plot("bars", metrics=("absent",)), "no cell holds the metric absent"),
        (Plot("lines"), "needs plot_x"),
        (Plot("lines", x="epsilon"), "no cell holds epsilon in its key"),
        (Plot("lines", x="form"), "form 'sample' is no number"),
        (Plot("confusion", metrics=("m",)), "no cell holds the matrix m"),
    ],
)
def test_what_cannot_be_drawn_is_refused(plot, told, tmp_path):
    with pytest.raises(UsageError, match=f"tests/fig: .*{told}"):
        draw(result(), plot, [], tmp_path / "a")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_names_beside_the_result_and_the_usual_figures(tmp_path):
    path = tmp_path / "fig.mini.json"
    names = [file.name for file in draw_all(small(), [Plot("bars"), Plot("confusion")], [], path)]
    assert names == ["fig.mini.png", "fig.mini.svg", "fig.mini.confusion.png", "fig.mini.confusion.svg"]
    assert draw_all(result(), [], [], path) == []
    assert draw_all({**result(), "cells": []}, [Plot("bars")], [], path) == []
    faces = small()
    for cell in faces["cells"]:
        cell["metrics"] |= {"protected_accuracy": 0.1, "others_accuracy": 0.9}
    assert [file.name for file in draw_all(faces, [], [], tmp_path / "faces.mini.json")][::2] == [
        "faces.mini.png",
        "faces.mini.confusion.png",
    ]


def test_no_two_cells_share_a_place():
    key = {"noise": "none", "form": "class", "model": "vgg11"}
    assert format_key(key, "form", "noise") == "class, model vgg11"
    assert format_key(key, None, "noise") == "form class, model vgg11"
    assert format_key({"noise": "none"}, None, "noise") == ""
    assert format_key(key, "epsilon") == "–, none, form class, model vgg11"


def test_colours_stay_with_a_noise_and_differ():
    names = ["a", "error-min", "none", "b", "c"]
    chosen = assign_colours(names)
    assert (chosen["error-min"], chosen["none"]) == (FIXED["error-min"], FIXED["none"])
    assert len(set(chosen.values())) == len(names)


@pytest.mark.parametrize("blind", [RED_BLIND, GREEN_BLIND], ids=["protanopia", "deuteranopia"])
def test_colours_are_told_apart_without_red_or_green(blind):
    linear = np.array([to_rgb(colour) for colour in CYCLE]) ** 2.2
    seen = np.clip(linear @ np.array(blind).T, 0, 1) ** (1 / 2.2)
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(len(CYCLE), 1)]
    assert distances.min() > 0.15


@pytest.mark.slow
def test_kinds_share_the_metrics_and_each_takes_what_it_can_show(tmp_path):
    metrics = ("curve_test", "test_accuracy_final", "confusion")
    plots = [Plot("curves", by="noise", metrics=metrics), Plot("bars", by="noise", metrics=metrics)]
    assert len(draw_all(small(), [*plots, Plot("confusion", metrics=metrics)], EXPECTED, tmp_path / "a.json")) == 6
    (panel,) = draw_bars(result(), Plot("bars", by="noise", metrics=("curve_test",)), EXPECTED).axes
    assert panel.get_ylabel() == "clean test accuracy, last epoch"


def test_a_line_without_the_panels_part_stands_in_every_panel():
    cells = [
        {"key": key, "seed": 0, "metrics": {"curve_test": [0.1, 0.2]}}
        for key in ({"noise": "none"}, {"noise": "random", "form": "class"}, {"noise": "random", "form": "sample"})
    ]
    panels = draw_curves({**result(), "cells": cells}, Plot("curves"), []).axes
    assert [panel.get_title() for panel in panels] == ["form class", "form sample"]
    assert [[line.get_label() for line in panel.get_lines()] for panel in panels] == [["none", "random"]] * 2


def test_a_figure_whose_cells_are_still_open_is_left_out(tmp_path):
    plots = [Plot("bars", metrics=("later",)), Plot("confusion")]
    open_ = {**small(), "not_run": [{"key": {"noise": "none"}, "seed": 9}]}
    assert [file.name for file in draw_all(open_, plots, [], tmp_path / "a.mini.json")] == [
        "a.mini.confusion.png",
        "a.mini.confusion.svg",
    ]
    with pytest.raises(UsageError, match="no cell holds the metric later"):
        draw_all(small(), plots, [], tmp_path / "a.mini.json")
