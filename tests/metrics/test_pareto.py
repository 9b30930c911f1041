"""The Pareto front, against its definition."""

from hypothesis import given, strategies as st

from workbench.metrics import pareto_optimal

small = st.integers(0, 6).map(float)  # few values, so that there are ties


def beats(a, b):
    return a[0] <= b[0] and a[1] <= b[1] and a != b


@given(st.lists(st.tuples(small, small), max_size=12))
def test_the_front_is_the_points_that_no_other_point_beats(points):
    expected = {i for i, b in enumerate(points) if not any(beats(a, b) for a in points)}
    front = pareto_optimal(points)
    assert set(front) == expected
    assert len(front) == len(expected)
    assert [points[i] for i in front] == sorted(points[i] for i in front)


def test_the_front_of_no_points_is_empty():
    assert pareto_optimal([]) == []
