"""`wb compare`, with run folders that the tests write."""

import shutil

import pytest

from workbench.cli.compare import compare
from workbench.metrics import DistanceWithError, compare_distances
from workbench.runs.folder import RunFolder

FD, KID = "fd_efficientnet_lite0", "kid_efficientnet_lite0"
CARD = {
    "extractor": {"extractor": "efficientnet_lite0", "weights_sha256": "0" * 64, "resize": "bicubic", "dims": 1280},
    "n_real": 2000, "n_generated": 500, "dataset": "data", "split": "train", "weights": "ema", "sampler": "ddim",
    "steps": 25, "nfe": 50, "guidance": 3.0, "clamp": True, "seed": 0,
}  # fmt: skip


@pytest.fixture
def runs(repository, tmp_path, monkeypatch):
    """Writes runs with these distances into a home: (KID, its error, FD), and changes of their cards."""
    monkeypatch.setenv("WB_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def write(*distances):
        for i, (kid, error, fd, changes) in enumerate(distances):
            run = RunFolder(tmp_path / "runs" / f"a_run_with_a_rather_long_name-20260101-00000{i}-abcd")
            shutil.copytree(repository / "tests" / "fixtures" / "run_schema_1", run.path)
            metrics = {KID: kid, f"{KID}_std_error": error, FD: fd, "val/loss": 0.1, "eval/nfe": 50.0, "eval/seconds": 3.0}
            journal = run.journal()
            journal.numbers_at(6, metrics, dict.fromkeys((KID, f"{KID}_std_error", FD), CARD | changes))
            journal.close()
        return sorted(path.name for path in (tmp_path / "runs").iterdir())

    return write


def rows(text):
    return {line.split()[0]: line for line in text.splitlines() if line.strip()}


def test_a_difference_within_its_interval_has_no_winner(runs, capsys):
    compare(runs((0.509, 0.025, 12.0, {}), (0.467, 0.025, 11.0, {})))
    numbers = rows(capsys.readouterr().out)
    assert numbers[KID].split() == [KID, "0.509", "±", "0.025", "0.467", "±", "0.025", "not", "significant"]
    assert numbers[FD].split() == [FD, "12", "11", "*", "error", "not", "known"]


def test_the_best_is_marked_in_plain_text_and_the_card_line_has_the_guidance(runs, capsys):
    compare(runs((0.6, 0.02, 12.0, {}), (0.4, 0.02, 11.0, {"guidance": 1.0, "clamp": False, "nfe": 25})))
    text = capsys.readouterr().out
    assert rows(text)[KID].split()[4:] == ["0.400", "±", "0.020", "*"]
    assert "* the least" in text
    assert "ddim 25 steps, guidance 3, clamped, NFE 50" in text
    assert "ddim 25 steps, guidance 1, not clamped, NFE 25" in text
    assert f"{KID}_std_error" not in text


def test_times_are_shown_with_all_only(runs, capsys):
    names = runs((0.6, 0.02, 12.0, {}), (0.4, 0.02, 11.0, {}))
    compare(names)
    brief = capsys.readouterr().out
    assert ("eval/seconds" in brief, "val/loss" in brief, "--all" in brief) == (False, True, True)
    compare(names, everything=True)
    assert "eval/seconds" in capsys.readouterr().out


def test_a_card_of_an_earlier_version_is_ranked_and_shows_what_it_lacks(runs, capsys):
    names = runs((0.6, 0.02, 12.0, {"clamp": None}), (0.4, 0.02, 11.0, {}))
    compare(names)
    text = capsys.readouterr().out
    assert "clamping not recorded" in text
    assert "*" in rows(text)[KID]


@pytest.mark.parametrize("width", [40, 80, 120, 300])
def test_names_and_numbers_are_whole_at_any_width(runs, capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    compare(runs((0.509, 0.025, 12.5, {}), (0.467, 0.025, 11.5, {}), (0.9, 0.025, 13.5, {})))
    text = capsys.readouterr().out
    assert "…" not in text
    assert all(whole in text for whole in (KID, FD, "eval/nfe", "0.509 ± 0.025 *", "0.467 ± 0.025 *", "0.900 ± 0.025", "11.5 *"))
    if width in (120, 300):
        assert max(len(line) for line in text.splitlines() if "±" in line) <= width


def distances_of(*pairs):
    return [None if pair is None else DistanceWithError(*pair, card=CARD) for pair in pairs]


@pytest.mark.parametrize(
    ("distances", "best", "verdict"),
    [
        (distances_of((1.0, 0.1), (2.0, 0.1)), {0}, ""),
        (distances_of((1.0, 0.1), (1.2, 0.1)), set(), "not significant"),
        (distances_of((1.0, 0.1), (1.2, 0.1), (3.0, 0.1)), {0, 1}, ""),
        (distances_of((1.0, 0.1), None, (3.0, 0.1)), {0}, ""),
        (distances_of((1.0, None), (1.2, None)), {0}, "error not known"),
        (distances_of((1.0, 0.1), (1.2, None)), {0}, "error not known"),
        (distances_of((1.0, 0.1), (float("nan"), 0.1), (0.5, 0.1)), {2}, ""),
        (distances_of((1.0, 0.1)), set(), ""),
        ([DistanceWithError(1.0), DistanceWithError(2.0)], set(), ""),
        ([DistanceWithError(1.0, 0.1, CARD), DistanceWithError(2.0, 0.1)], set(), "not ranked: measured without a card"),
        ([DistanceWithError(1.0, 0.1, CARD), DistanceWithError(2.0, 0.1, CARD | {"n_real": 7, "nfe": 1})], set(), "not ranked: different n_real"),
    ],
)  # fmt: skip
def test_what_stands_out_is_decided_by_the_interval_of_the_difference(distances, best, verdict):
    comparison = compare_distances(distances)
    assert (comparison.best, comparison.verdict) == (best, verdict)
