"""Output without a reader, or that cannot be written, ends no command."""

import io
import os
import subprocess
import sys

import pytest

from workbench.cli.streams import robust_streams

MAIN = "from workbench.cli import main; main()"


@pytest.fixture
def stdout(monkeypatch):
    """Standard output as a text stream over a descriptor."""
    opened = []

    def over(descriptor):
        opened.append(io.TextIOWrapper(io.FileIO(descriptor, "w"), encoding="ascii", write_through=True))
        monkeypatch.setattr(sys, "stdout", opened[-1])

    yield over
    for stream in opened:
        stream.close()


def print_output():
    """Print more than a pipe holds; return the error that lost output."""
    with robust_streams() as missing:
        for _ in range(100):
            sys.stdout.write("x" * 1000 + "\n")
        sys.stdout.write("\N{SNOWMAN}\n")
        return missing()


def test_a_reader_that_has_exited_is_not_an_error(stdout):
    reading, writing = os.pipe()
    os.close(reading)
    stdout(writing)
    assert print_output() is None


def test_a_closed_terminal_is_not_an_error(stdout):
    control, terminal = os.openpty()
    os.close(control)
    stdout(terminal)
    assert print_output() is None


def test_a_full_disk_is_kept_as_the_reason(stdout):
    stdout(os.open("/dev/full", os.O_WRONLY))
    assert print_output().strerror == "No space left on device"


def test_a_pipe_that_does_not_block_receives_everything(stdout):
    with subprocess.Popen(["wc", "-c"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        writing = os.dup(reader.stdin.fileno())
        os.set_blocking(writing, False)
        stdout(writing)
        assert print_output() is None
        sys.stdout.close()
        reader.stdin.close()
        assert int(reader.stdout.read()) == 100 * 1001 + len("\\u2603\n")


def wb(words, stdout, **kwargs):
    return subprocess.run(
        [sys.executable, "-c", MAIN, *words], stdout=stdout, stderr=subprocess.PIPE, check=False, text=True, **kwargs
    )


@pytest.mark.parametrize("words", [["list"], ["--help"], ["show", "ddim"]])
def test_a_command_whose_reader_has_exited_ends_with_0_and_without_a_message(words):
    reading, writing = os.pipe()
    os.close(reading)
    done = wb(words, writing)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_output_that_is_lost_is_an_error():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = wb(["list"], full)
    assert (done.returncode, done.stderr) == (2, "error: standard output cannot be written: No space left on device\n")


def test_a_closed_standard_output_is_not_an_error():
    done = wb(["list"], None, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "")
