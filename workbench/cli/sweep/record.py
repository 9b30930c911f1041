"""A sweep in MLflow: a run above those of its trials."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape

from workbench.errors import TrackingError

if TYPE_CHECKING:
    from rich.console import Console

    from workbench.recipe import Tracking
    from workbench.sweep.opening import Opened

__all__ = ["SweepRecord"]


@dataclass
class SweepRecord:
    """Where a sweep is recorded: `parent` has the store, experiment and run; empty where it is not."""

    parent: Mapping[str, str] = field(default_factory=dict)
    _home: Path | None = None
    _console: Console | None = None

    @classmethod
    def none(cls) -> SweepRecord:
        """Of a sweep that nobody wants recorded."""
        return cls()

    @classmethod
    def known(cls, sweep: Opened) -> SweepRecord:
        """As the machine that began the sweep records it."""
        return cls(dict(sweep.ledger.begun().parent))

    @classmethod
    def opened(cls, sweep: Opened, tracking: Tracking, option: str | None, home: Path, console: Console) -> SweepRecord:
        """The sweep's run, made or gone on with; without it, and with a warning, where the store cannot be reached."""
        from workbench.tracking import open_run, tracking_uri

        name = sweep.folder.name
        known = sweep.ledger.begun().parent
        uri = known.get("uri") or tracking_uri(option, os.environ, tracking.uri, home)
        settings = sweep.recipe.sweep
        try:
            tracker = open_run(
                uri,
                tracking.experiment,
                f"sweep {name}",
                home,
                known.get("run_id"),
                tags={"wb.run": f"sweep {name}", "wb.kind": "sweep", "wb.sweep": name, "wb.recipe": sweep.recipe.name},
                once="wb.run",
            )
            if not known:
                parent = {"uri": uri, "run_id": tracker.run_id}
                if settings is not None:
                    space = {key: each.model_dump(mode="json", exclude_defaults=True) for key, each in settings.space.items()}
                    tracker.params(
                        {
                            "sampler": settings.sampler,
                            "pruner": settings.pruner,
                            **{f"space.{key}": each for key, each in space.items()},
                        }
                    )
                tracker.artifact(sweep.folder.recipe)
                sweep.ledger.change(parent=parent)
        except TrackingError as error:
            console.print(f"[yellow]the sweep is not recorded, its folders keep everything: {escape(str(error))}[/]")
            return cls()
        return cls({"uri": uri, "run_id": tracker.run_id}, home, console)

    def finish(self, sweep: Opened, *, stopped: bool) -> None:
        """Plots, numbers and the best recipe, on the sweep's run and in its folder."""
        from workbench.files import write_text
        from workbench.sweep.plots import draw_plots
        from workbench.sweep.summary import best_recipe, summary

        found = summary(sweep.folder, sweep.recipe, sweep.aims, sweep.axes, sweep.desk.rows())
        plots = draw_plots(sweep.search.study, sweep.folder.name, sweep.aims, sweep.folder.results)
        files = list(plots.values())
        if found.best is not None and len(sweep.aims) == 1:
            row = next(row for row in found.rows if row.number == found.best)
            write_text(sweep.folder.results / "best.toml", best_recipe(sweep.folder, row))
            files.append(sweep.folder.results / "best.toml")
        if found.confirmed is not None:
            files.append(sweep.folder.results / "confirmed.json")
        if self.parent and self._home is not None:
            try:
                self._send(sweep, files, plots, found.best, stopped)
            except TrackingError as error:
                if self._console is not None:
                    self._console.print(
                        f"[yellow]results are in {sweep.folder.results} and not in MLflow: {escape(str(error))}[/]"
                    )

    def _send(self, sweep: Opened, files: list[Path], plots: Mapping[str, Path], best: int | None, stopped: bool) -> None:
        from PIL import Image

        from workbench.tracking import recorded_run

        if self._home is None:
            return
        tracker = recorded_run(self.parent["uri"], self.parent["run_id"], self._home)
        tally = sweep.desk.tally()
        tracker.metrics(
            {"sweep/complete": tally.complete, "sweep/pruned": tally.pruned, "sweep/failed": tally.failed}, tally.done
        )
        outcomes = {row.number: row.outcome for row in sweep.desk.rows() if row.outcome is not None}
        if best is not None and len(sweep.aims) == 1:
            tracker.metrics({f"sweep/best_{sweep.aims[0].metric}": outcomes[best].values[0]}, tally.done)
            tracker.tags({"wb.best_trial": str(best)})
        for path in files:
            tracker.artifact(path, "sweep")
        for key, path in plots.items():
            if path.suffix == ".png":
                with Image.open(path) as image:
                    tracker.image(key, image.convert("RGB"), tally.done)
        tracker.finish("KILLED" if stopped else "FINISHED")
