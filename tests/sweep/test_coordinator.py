"""Workers that do not start, or stop being there."""

import sys

import pytest

from workbench.errors import SweepError
from workbench.progress import Stop
from workbench.sweep.coordinator import FALSE_STARTS, coordinate
from workbench.sweep.processes import Process
from workbench.sweep.sources import Trials

DIES = "import sys; sys.exit('no such driver')"
WORKS = """
import json, sys, time
print(json.dumps({"kind": "ready"}), flush=True)
for line in sys.stdin:
    time.sleep(0.5)
    print(json.dumps({"kind": "ended", "outcome": {"ending": "complete", "values": [1.0]}}), flush=True)
"""


@pytest.fixture
def coordinated(tmp_path):
    """Runs the trials of a desk with workers of this code, one for each place; yields what is told."""

    def run(desk, *codes):
        started = []

        def start(index):
            started.append(index)
            return Process([sys.executable, "-c", codes[index]], tmp_path / f"worker-{index}.log", {})

        source = Trials(desk, "tiny", "me", seconds=None, failures=0, trained_once=False, parent={}, tell=lambda text: None)
        return started, (line for moment in coordinate(source, start, len(codes), Stop(), 60.0) for line in moment.news)

    return run


def test_workers_that_die_at_once_end_the_sweep_with_their_last_words_and_no_trial_is_to_blame(desk, coordinated, tmp_path):
    made, _, _ = desk()
    (tmp_path / "worker-0.log").write_text("what was said yesterday\n")
    started, news = coordinated(made, DIES)
    with pytest.raises(
        SweepError, match=r"workers do not start: worker process ended with code 1; (.|\n)*no such driver"
    ) as caught:
        list(news)
    assert len(started) == FALSE_STARTS
    assert str(caught.value).count("no such driver") == 1
    assert "yesterday" not in str(caught.value)
    assert [(row.state, row.deaths) for row in made.rows()] == [("waiting", 0)]


def test_workers_go_on_without_one_that_does_not_start(desk, coordinated):
    made, _, _ = desk(total=6)
    started, news = coordinated(made, DIES, WORKS)
    (told,) = list(news)
    assert told.startswith("worker 0 does not start")
    assert told.endswith("no such driver")
    assert (started.count(0), started.count(1)) == (FALSE_STARTS, 1)
    assert made.tally().complete == 6
    assert {row.deaths for row in made.rows()} == {0}
