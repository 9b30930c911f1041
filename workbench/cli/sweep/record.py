"""A sweep in MLflow: a run above those of its trials."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.text import Text

import workbench as wb
from workbench.cli.sweep.table import answer_lines
from workbench.errors import WorkbenchError
from workbench.files import write_text
from workbench.journal import Journal

SENDING_SECONDS = 60.0
STOPPED_SECONDS = 3.0


@dataclass
class SweepTracking:
    """Where a sweep is recorded: `parent` has the store and the name of its run; empty where it is not."""

    parent: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)  # of workers: the store, with its password
    _outbox: wb.tracking.Outbox | None = None
    _drainer: wb.tracking.Drainer | None = None
    _send: Callable[[], int] = int

    @classmethod
    def none(cls) -> SweepTracking:
        """Of a sweep that nobody wants recorded."""
        return cls()

    @classmethod
    def known(cls, sweep: wb.sweep.OpenSweep) -> SweepTracking:
        """As the machine that began the sweep records it."""
        parent = dict(sweep.ledger.begun().parent)
        if not parent:
            return cls()
        uri = wb.tracking.resolve_uri(parent["uri"], None, os.environ, sweep.recipe.tracking.uri, sweep.folder.home)
        return cls(parent, {"MLFLOW_TRACKING_URI": uri})

    @classmethod
    def opened(
        cls, sweep: wb.sweep.OpenSweep, tracking: wb.recipe.Tracking, option: str | None, home: Path, console: Console
    ) -> SweepTracking:
        """The sweep's run, begun or gone on with; a store that is away is waited for."""
        name, settings = sweep.folder.name, sweep.recipe.sweep
        known = sweep.ledger.begun().parent
        uri = wb.tracking.resolve_uri(known.get("uri"), option, os.environ, tracking.uri, home)
        wb.tracking.check_uri(uri)

        def warn(text: str) -> None:
            console.print(f"[yellow]{escape(text)}[/]")

        journal = sweep.folder.journal()
        outbox = wb.tracking.Outbox(journal, sweep.folder.results)
        if not journal.meta("described"):
            source = str(sweep.folder.info()["source"])
            tags = {"wb.kind": "sweep", "wb.sweep": name, "wb.recipe": sweep.recipe.name, "mlflow.source.name": source}
            outbox.tags(tags)
            if settings is not None:
                outbox.params(
                    {
                        "sweep.metric": ", ".join(each.metric for each in sweep.aims),
                        "sweep.sampler": settings.sampler,
                        "sweep.pruner": settings.pruner,
                        **{f"sweep.space.{key}": _told(each) for key, each in settings.space.items()},
                    }
                )
            outbox.artifact(sweep.folder.recipe)
            journal.set_meta(described="yes", experiment=tracking.experiment)
        parent = {"uri": wb.tracking.store_name(uri, home), "run": journal.run}
        journal.set_meta(uri=parent["uri"])
        if dict(known) != parent:
            sweep.ledger.change(parent=parent)
        drainer = wb.tracking.Drainer(sweep.folder.journal, uri, tracking.experiment, home, warn)
        return cls(parent, {"MLFLOW_TRACKING_URI": uri}, outbox, drainer, lambda: _left(sweep, journal, uri, tracking.experiment))

    def finish(self, sweep: wb.sweep.OpenSweep, console: Console, *, stopped: bool) -> None:
        """Plots, numbers and the best recipe, on the sweep's run and in its folder; what trials could not send is sent now."""
        found = wb.sweep.summarize_sweep(sweep.folder, sweep.recipe, sweep.aims, sweep.axes, sweep.desk.rows())
        plots = wb.sweep.draw_plots(sweep.search.study, sweep.folder.name, sweep.aims, sweep.folder.results)
        files = list(plots.values())
        if found.best is not None and len(sweep.aims) == 1:
            row = next(row for row in found.rows if row.number == found.best)
            write_text(sweep.folder.results / "best.toml", wb.sweep.best_recipe(sweep.folder, row))
            files.append(sweep.folder.results / "best.toml")
        if found.confirmed is not None:
            files.append(sweep.folder.results / "confirmed.json")
        if self._outbox is None or self._drainer is None:
            return
        self._outbox.tags(
            {"mlflow.note.content": "\n\n".join(Text.from_markup(line).plain.strip() for line in answer_lines(found))}
        )
        self._tell(self._outbox, sweep, files, plots, found, stopped)
        self._drainer.close(STOPPED_SECONDS if stopped else SENDING_SECONDS)
        left = 0 if stopped else self._send()
        if left:
            console.print(f"[yellow]{left:,} records not yet sent[/]; they wait in their folders: [bold]wb sync[/]")

    def _tell(
        self,
        outbox: wb.tracking.Outbox,
        sweep: wb.sweep.OpenSweep,
        files: list[Path],
        plots: Mapping[str, Path],
        found: wb.sweep.Summary,
        stopped: bool,
    ) -> None:
        from PIL import Image

        tally, best = sweep.desk.tally(), found.best
        outbox.metrics({"sweep/complete": tally.complete, "sweep/pruned": tally.pruned, "sweep/failed": tally.failed}, tally.done)
        outcomes = found.outcomes
        if best is not None and len(sweep.aims) == 1:
            outbox.metrics({f"sweep/best_{sweep.aims[0].metric}": outcomes[best].values[0]}, tally.done)
            outbox.tags({"wb.best_trial": str(best)})
        if found.confirmed is not None:  # without the luck of having been the best of many
            outbox.metrics({f"sweep/confirmed_{found.confirmed['metric']}": found.confirmed["trials"][0]["mean"]}, tally.done)
        for path in files:
            outbox.artifact(path, "sweep")
        for key, path in plots.items():
            if path.suffix == ".png":
                with Image.open(path) as image:
                    outbox.image(key, image.convert("RGB"), tally.done)
        outbox.finish("KILLED" if stopped else "FINISHED")


def _told(space: wb.recipe.Space) -> str:
    """As in the recipe, for people."""
    if space.choices is not None:
        told = " | ".join(map(str, space.choices))
    else:
        told = (
            f"{space.low:g} to {space.high:g}" + (", log" if space.log else "") + (f", step {space.step:g}" if space.step else "")
        )
    return told + "".join(f", when {key} = {value}" for key, value in (space.when or {}).items())


def _left(sweep: wb.sweep.OpenSweep, journal: Journal, uri: str, experiment: str) -> int:
    """Send what the sweep and its trials on this machine still have; how many records stay behind."""
    left = 0
    folders = [
        wb.runs.RunFolder(sweep.folder.home / "runs" / row.outcome.run) for row in sweep.desk.rows() if row.outcome is not None
    ]
    journals = [journal, *(folder.journal() for folder in folders if (folder.path / "journal.sqlite").exists())]
    for each in journals:
        with closing(each):
            if each.meta("uri") is None:
                continue  # of an earlier call with --no-track
            try:
                if each.unsent():
                    wb.tracking.send_pending(each, uri, experiment, sweep.folder.home)
            except WorkbenchError:
                pass  # counted
            left += each.unsent() + each.refusals()
    return left
