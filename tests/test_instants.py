"""Times of runs and sweeps are compared as instants, whichever clock and time zone wrote them."""

import datetime
import json
import re
import time

import pytest

from workbench.instants import instant_of, local_time
from workbench.runs.folder import create_run, find_run, list_runs
from workbench.sweep.folder import list_sweeps

# Each pair: the earlier and the later instant, whose texts sort the other way round.
PAIRS = {
    "the hour after summer time ends": ("2026-10-25T02:40:00+02:00", "2026-10-25T02:10:00+01:00"),
    "a flight to the west": ("2026-11-01T23:00:00+09:00", "2026-11-01T14:30:00+00:00"),
    "a zone written by an older version, then UTC": ("2026-11-01T09:00:00.5+01:00", "2026-11-01T08:00:01+00:00"),
}


@pytest.fixture(params=PAIRS.values(), ids=PAIRS.keys())
def pair(request):
    return request.param


def written(path, **fields):
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"schema": 1, "status": "FINISHED", "name": "cars", "step": 1, **fields}))


def test_the_latest_run_is_the_one_started_last(tmp_path, pair):
    assert pair[0] > pair[1]  # as text
    for name, created in zip(("z-first", "a-second"), pair, strict=True):
        written(tmp_path / "runs" / name / "run.json", created=created)
    assert find_run(tmp_path, "latest").id == find_run(tmp_path, "cars").id == "a-second"


def test_sweeps_are_listed_in_the_order_of_their_starts(tmp_path, pair):
    for name, created in zip(("z-first", "a-second"), pair, strict=True):
        written(tmp_path / "sweeps" / name / "sweep.json", created=created)
    assert [folder.name for folder in list_sweeps(tmp_path)] == ["z-first", "a-second"]


def test_a_run_without_a_readable_time_comes_first(tmp_path):
    written(tmp_path / "runs" / "good" / "run.json", created="1999-01-01T00:00:00+00:00")
    for name, created in (("none", None), ("bad", "yesterday"), ("far", "0001-01-01T00:00:00+14:00")):
        written(tmp_path / "runs" / name / "run.json", created=created)
    assert list_runs(tmp_path)[-1].id == "good"


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
def test_times_and_names_are_written_in_utc(tmp_path, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        run = create_run(tmp_path, "cars")
        named = datetime.datetime.strptime(re.search(r"-(\d{8}-\d{6}Z)-", run.id)[1], "%Y%m%d-%H%M%S%z")
        assert before <= named <= instant_of(run.info()["created"])
        assert run.info()["created"].endswith("+00:00")
        assert (
            local_time("2026-06-01T12:00:00+00:00")
            == {"Asia/Tokyo": "2026-06-01 21:00", "America/Los_Angeles": "2026-06-01 05:00"}[zone]
        )
    finally:
        monkeypatch.undo()
        time.tzset()
