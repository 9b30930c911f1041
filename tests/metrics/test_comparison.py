"""Metrics of several runs, side by side."""

from workbench.metrics import compare_metrics

CARD = {"extractor": "e", "n_real": 8, "n_generated": 8, "dataset": "data", "split": "train"}


def test_distances_come_first_and_only_they_have_a_best_value():
    rows = compare_metrics(
        [
            ({"a/time": 2.0, "kid": 1.0, "kid_std_error": 0.1}, {"kid": CARD, "kid_std_error": CARD}),
            ({"a/time": 1.0, "kid": 2.0, "kid_std_error": 0.1}, {"kid": CARD, "kid_std_error": CARD}),
            ({}, {}),
        ]
    )
    assert [(row.name, row.comparison.best) for row in rows] == [("kid", {0}), ("a/time", set())]
    first, second, missing = rows[0].values
    assert [(value.value, value.error) for value in (first, second)] == [(1.0, 0.1), (2.0, 0.1)]
    assert missing is None


def test_times_memory_and_settings_are_not_results():
    names = ["val/loss", "train/loss", "eval/nfe", "fid", "train/minutes", "eval/seconds", "train/peak_memory_mib"]
    rows = compare_metrics([(dict.fromkeys(names, 1.0), {})])
    assert {row.name for row in rows if row.is_summary} == {"val/loss", "train/loss", "eval/nfe", "fid"}
