"""Progress that commands print without a terminal."""

import io

from rich.console import Console

from workbench.cli import display
from workbench.cli.display import PlainProgress, with_error


def test_progress_in_a_pipe_is_a_line_every_20_seconds_with_the_time_left(monkeypatch):
    now = 0.0
    monkeypatch.setattr(display.time, "monotonic", lambda: now)
    console = Console(file=io.StringIO(), width=200)
    progress = PlainProgress(console, 600)
    for seconds in range(61):  # 10 a second
        now = float(seconds)
        progress.show("ddim [5] 50 steps", 10 * seconds)
    assert console.file.getvalue().splitlines() == [
        "ddim [5] 50 steps: 33% done, 40 s left",
        "ddim [5] 50 steps: 67% done, 20 s left",
    ]


def test_a_value_has_as_many_decimals_as_its_error_has_two_digits():
    assert [with_error(0.46712, error) for error in (None, 0.0251, 0.25, 2.5, 0.000123)] == [
        "0.4671", "0.467 ± 0.025", "0.47 ± 0.25", "0.5 ± 2.5", "0.46712 ± 0.00012",
    ]  # fmt: skip
