"""Files are whole or not there."""

import os
import threading

import pytest

from workbench.files import atomic_write, exclusive_lock, is_locked, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_no_debris(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_write(path) as beside:
        beside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_nan_is_no_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_who_looks_whether_a_lock_is_held_keeps_nobody_from_it(tmp_path):
    lock, done = tmp_path / "a.lock", threading.Event()
    with exclusive_lock(lock):
        told = lock.read_text()
        assert is_locked(lock)
        assert lock.read_text() == told == f"process {os.getpid()}"

    def look():
        while not done.is_set():
            is_locked(lock)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for each in lookers:
        each.start()
    try:
        for _ in range(50):
            with exclusive_lock(lock, 5.0):
                pass
    finally:
        done.set()
        for each in lookers:
            each.join()
    assert not is_locked(lock)
