"""Workers that do not start, or crash."""

import sys

import pytest

from workbench.errors import SweepError
from workbench.progress import Stop
from workbench.sweep.coordinator import MAX_FAILED_STARTS, coordinate
from workbench.sweep.processes import Process
from workbench.sweep.sources import TrialSource

EXITS = "import sys; sys.exit('no such driver')"
WORKS = """
import json, sys, time
print(json.dumps({"kind": "ready"}), flush=True)
for line in sys.stdin:
    time.sleep(0.5)
    print(json.dumps({"kind": "ended", "outcome": {"ending": "complete", "values": [1.0]}}), flush=True)
"""


@pytest.fixture
def run_workers(tmp_path):
    """Runs the trials of a queue with workers of this code, one for each place; yields what is line."""

    def run(queue, *codes):
        started = []

        def start(index):
            started.append(index)
            return Process([sys.executable, "-c", codes[index]], tmp_path / f"worker-{index}.log", {})

        source = TrialSource(
            queue, "tiny", "me", seconds=None, failures=0, trained_once=False, parent={}, report=lambda text: None
        )
        return started, (line for moment in coordinate(source, start, len(codes), Stop(), 60.0) for line in moment.news)

    return run


def test_workers_that_exit_at_once_end_the_sweep_with_their_output_and_no_trial_has_crashed(make_queue, run_workers, tmp_path):
    queue, _, _ = make_queue()
    (tmp_path / "worker-0.log").write_text("output of yesterday\n")
    started, news = run_workers(queue, EXITS)
    with pytest.raises(
        SweepError, match=r"workers do not start: worker process ended with code 1; (.|\n)*no such driver"
    ) as caught:
        list(news)
    assert len(started) == MAX_FAILED_STARTS
    assert str(caught.value).count("no such driver") == 1
    assert "yesterday" not in str(caught.value)
    assert [(row.state, row.crashes) for row in queue.rows()] == [("waiting", 0)]


def test_other_workers_continue_without_one_that_does_not_start(make_queue, run_workers):
    queue, _, _ = make_queue(total=6)
    started, news = run_workers(queue, EXITS, WORKS)
    (line,) = list(news)
    assert line.startswith("worker 0 does not start")
    assert line.endswith("no such driver")
    assert (started.count(0), started.count(1)) == (MAX_FAILED_STARTS, 1)
    assert queue.tally().complete == 6
    assert {row.crashes for row in queue.rows()} == {0}
