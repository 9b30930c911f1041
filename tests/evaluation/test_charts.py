"""Charts of quality against cost."""

import itertools

import pytest
from hypothesis import given, strategies as st

from workbench.evaluation.charts import QualityPoint, _spread_labels, plot_quality


@given(st.lists(st.floats(0.0, 300.0), min_size=1, max_size=8), st.floats(1.0, 20.0))
def test_labels_keep_their_order_and_a_gap_and_move_only_if_they_touch(heights, gap):
    heights = sorted(heights)
    placed = _spread_labels(heights, gap)
    assert all(b - a >= gap - 1e-6 for a, b in itertools.pairwise(placed))
    assert sum(placed) == pytest.approx(sum(heights))  # the mean height does not change
    if all(b - a >= gap for a, b in itertools.pairwise(heights)):
        assert placed == pytest.approx(heights)


@pytest.mark.parametrize("lowest", [20.0, 0.0])
def test_a_chart_has_a_panel_per_cost(lowest):
    distances = {"ddim eta=0": [90.0, 40.0, 25.0], "unipc": [50.0, 30.0, lowest], "heun": [45.0]}
    costs = [
        QualityPoint("NFE", {"ddim eta=0": [5.0, 10.0, 20.0], "unipc": [5.0, 10.0, 20.0], "heun": [9.0]}),
        QualityPoint("seconds", {"ddim eta=0": [1.0, 2.0, 4.0], "unipc": [1.1, 2.2, 4.3], "heun": [2.0]}),
    ]
    one, two = (plot_quality(distances, "fd", costs[:k], "title") for k in (1, 2))
    assert one.height == two.height
    assert two.width > 1.8 * one.width
    assert len(two.getcolors(256)) > 10
