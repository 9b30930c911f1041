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
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_nan_is_not_json(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_probing_a_lock_does_not_hold_it(tmp_path):
    lock, done = tmp_path / "a.lock", threading.Event()
    with exclusive_lock(lock):
        text = lock.read_text()
        assert is_locked(lock)
        assert lock.read_text() == text == f"process {os.getpid()}"

    def look():
        while not done.is_set():
            is_locked(lock)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for thread in lookers:
        thread.start()
    try:
        for _ in range(50):
            with exclusive_lock(lock, 5.0):
                pass
    finally:
        done.set()
        for thread in lookers:
            thread.join()
    assert not is_locked(lock)
