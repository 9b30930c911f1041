"""The display of a sweep on terminals of several widths."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from workbench.cli.sweep import live as live_module
from workbench.cli.sweep.live import DrawCounts, Live
from workbench.cli.sweep.table import trials_table
from workbench.recipe import load
from workbench.sweep.coordinator import Job, WorkerView
from workbench.sweep.folder import SweepFolder
from workbench.sweep.ledger import TrialOutcome
from workbench.sweep.objectives import SearchTarget
from workbench.sweep.sources import ConfirmationSource
from workbench.sweep.space import axes_of
from workbench.sweep.summary import summarize_sweep
from workbench.sweep.wire import Task

KID = SearchTarget("kid_efficientnet_lite0", "minimize")
KEYS = ("train.learning_rate", "schedule.use", "sampler.use", "denoiser.channels")


def console(width):
    return Console(file=io.StringIO(), force_terminal=True, color_system=None, width=width, height=40, soft_wrap=True)


def lines(screen, *shown):
    with screen.capture() as captured:
        screen.print(*shown)
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_worker_has_one_line_and_no_line_is_wider_than_the_terminal(make_queue, width):
    queue, _, _ = make_queue(total=40)
    for number in range(12):
        ending = "pruned" if number % 3 else "complete"
        queue.finish(queue.next_trial("me"), TrialOutcome(ending, (0.09201 + number,) if ending == "complete" else ()))
    screen = console(width)
    live = Live(SimpleNamespace(queue=queue, targets=(KID,)), screen)
    views = [
        WorkerView(
            Task("trial", 12, "r"), 0.0, {"phase": "training", "done": 12_800, "total": 20_000, "images_per_second": 18_070.0}
        ),
        WorkerView(Task("trial", 13, "r"), 0.0, {"phase": "evaluating", "what": "efficientnet_lite0 features of the data"}),
        WorkerView(Task("trial", 14, "r"), 0.0),
        WorkerView(),
    ]
    with live:
        live.show(views)
    drawn = screen.file.getvalue()
    text = lines(screen, live._live.get_renderable())
    assert max(map(len, text)) <= width
    assert [line.split()[:2] for line in text[:4]] == [["trial", "12"], ["trial", "13"], ["trial", "14"], ["-", "waiting"]]
    counts = " ".join(text[4:])
    for text_shown in ("12 of 40 trials", "8 pruned", "best kid_efficientnet_lite0 0.09201 (trial 0)"):
        assert text_shown in counts
        assert text_shown in drawn
    if width >= 80:
        assert "12800/20000" in text[0]
        assert "18070 images/s" in text[0]


@pytest.mark.parametrize("width", [50, 80, 130, 200])
def test_the_table_of_trials_shows_every_value_in_full_at_any_width(make_queue, write, tmp_path, width):
    queue, _, _ = make_queue(total=3)
    values = (
        ("train.learning_rate", 0.0001597),
        ("schedule.use", '"linear"'),
        ("sampler.use", '"ddpm"'),
        ("denoiser.channels", 16),
    )
    for _ in range(3):
        queue.finish(queue.next_trial("me"), TrialOutcome("complete", (0.5136,), "r", 4.0))
    rows = [
        SimpleNamespace(**{**vars(row), "overrides": tuple(f"{key}={value}" for key, value in values)})
        for row in queue.rows()[1:]
    ]
    recipe = load(write())
    summary = summarize_sweep(SweepFolder.of(tmp_path, "tiny"), recipe, (KID,), axes_of(recipe), rows)
    screen = console(width)
    text = lines(screen, trials_table(summary, screen))
    assert max(map(len, text)) <= width
    assert "…" not in "".join(text)
    whole = "".join(text).replace(" ", "")
    for value_shown in ("0.0001597", "linear", "ddpm", "16", "0.5136"):
        assert whole.count(value_shown) >= 2
    if width >= 130:
        assert text[0].split() == ["trial", "state", KID.metric, *KEYS, "time"]
        assert len(text) == 3


def test_measuring_again_shows_progress_and_time_left_in_a_pipe(make_queue, monkeypatch):
    now, sweep = 1000.0, SimpleNamespace(queue=make_queue(total=4)[0])
    monkeypatch.setattr(live_module.time, "monotonic", lambda: now)
    tasks = [Task("confirm", number, f"r{number}", seeds=(1, 2, 3, 4, 5), samples=1000) for number in (4, 2, 1, 0)]
    screen, reported = Console(file=io.StringIO(), width=200), []
    source = ConfirmationSource(tasks, reported.append)
    with Live(sweep, screen, DrawCounts(source)) as live:
        for seconds in range(0, 101, 5):  # 20 images a second
            now = 1000.0 + seconds
            live.show([WorkerView(tasks[0], 1000.0, {"done": 20 * seconds, "total": 5000})])
    first, second = screen.file.getvalue().splitlines()
    assert first.startswith("0 of 20 draws  300 of 20,000 images  16:25 min left")
    assert second.startswith("1 of 20 draws  1,600 of 20,000 images  15:20 min left")

    source.record_result(Job(tasks[0], None), {"values": [1.0, 2.0, 3.0, 4.0, 5.0]})
    assert reported == ["trial 4 again: 3, mean of 5 draws"]
    assert source.images_done([WorkerView(tasks[1], 0.0, {"done": 10})]) == 5010
