"""Standard output and error that never raise: the reader may exit, the terminal may be closed, the disk may be full."""

from __future__ import annotations

import errno
import io
import os
import select
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _RobustFile(io.FileIO):
    """A file descriptor whose writes never raise; output that cannot be written is dropped.

    If the reader has exited (`wb list | head`), all further output is dropped too. Any other error is kept in `error`.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.error: OSError | None = None
        is_terminal = stat.S_ISCHR(os.fstat(descriptor).st_mode)  # isatty() is False once the terminal is closed
        self._unread = {errno.EPIPE, errno.EIO} if is_terminal else {errno.EPIPE}

    def write(self, data: ReadableBuffer, /) -> int:
        """Write as much as the descriptor accepts; return the number of bytes that the caller need not write again."""
        try:
            while (count := super().write(data)) is None:  # a descriptor that another process made non-blocking
                select.select([], [self.fileno()], [])
        except OSError as error:
            if error.errno in self._unread:
                self._discard()
            else:
                self.error = error
            return memoryview(data).nbytes
        return count

    def _discard(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


@contextmanager
def robust_streams() -> Iterator[Callable[[], OSError | None]]:
    """Replace sys.stdout and sys.stderr within the block; the function returns the error that lost output, or None.

    Output that is lost because its reader has exited is not an error.
    """
    before = sys.stdout, sys.stderr
    files: list[_RobustFile] = []
    sys.stdout, sys.stderr = (_robust(stream, number, files) for number, stream in enumerate(before, start=1))
    try:
        yield lambda: next((file.error for file in files if file.error is not None), None)
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdout, sys.stderr = before


def _robust(stream: TextIO | None, number: int, files: list[_RobustFile]) -> TextIO:
    if stream is None:  # closed by the caller (`wb list >&-`)
        _open_nowhere(number)
        return io.TextIOWrapper(io.BufferedWriter(_RobustFile(number)), encoding="utf-8", errors="backslashreplace")
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.reconfigure(errors="backslashreplace")  # file names need not be valid text
    try:
        files.append(_RobustFile(stream.fileno()))
    except OSError:  # no descriptor: a stream of the caller, e.g. in tests
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(files[-1]),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _open_nowhere(number: int) -> None:
    """Open the null device under a closed standard descriptor; otherwise the next opened file would receive the output."""
    opened = os.open(os.devnull, os.O_RDWR)
    os.dup2(opened, number)
    if opened != number:
        os.close(opened)
