"""The program of the child process that tries imports: it answers in JSON lines."""

from __future__ import annotations

import json
import os
import sys
import time

from workbench.errors import BrokenComponent


def main(request: str) -> None:
    """Import each component of `request`, a JSON list of [kind, distribution:name]; write a line before and after each."""
    # A plugin may print while it is imported: it gets another standard output than the answers.
    answers = os.dup(1)
    os.dup2(2, 1)

    def write(**answer: object) -> None:
        os.write(answers, (json.dumps(answer) + "\n").encode())

    from workbench.registry.discovery import find
    from workbench.registry.loading import import_class

    for kind, name in json.loads(request):
        write(trying=name)
        started = time.perf_counter()
        error = None
        try:
            import_class(find(kind, name))
        except BrokenComponent as broken:
            error = str(broken)
        write(tried=name, error=error, seconds=time.perf_counter() - started)
    sys.stdout.flush()
