"""A sweep in the tracking store: a run above those of its trials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench.files import write_text
from workbench.recipe import Space, Tracking
from workbench.runs import RunFolder, TrackedJournal, resolve_store, send_journals
from workbench.sweep.opening import OpenSweep
from workbench.sweep.plots import draw_plots
from workbench.sweep.summary import Summary, best_recipe, describe_result

SENDING_SECONDS = 60.0
STOPPED_SECONDS = 3.0


@dataclass(frozen=True)
class SweepTracking:
    """The tracking of a sweep. `parent` is for the trials, {"uri": store, "run": name of the sweep's run}; empty if it is not tracked.

    `environment` is for the workers: the store, with its password. `record` is the sweep's own run, if this process records it.
    """

    parent: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    record: TrackedJournal | None = None


def track_sweep(
    sweep: OpenSweep, tracking: Tracking, option: str | None, home: Path, warn: Callable[[str], None]
) -> SweepTracking:
    """Start or resume the run of a sweep in the store that it goes to; what cannot be sent yet waits in the sweep's folder."""
    parent = sweep.ledger.read_sweep().parent
    uri = resolve_store(parent.get("uri"), option, tracking.uri, home)
    record = TrackedJournal(sweep.folder.journal, sweep.folder.results, uri, tracking.experiment, home, warn)
    if not record.journal.meta("described"):
        _describe_sweep(sweep, record)
        record.journal.set_meta(described="yes", experiment=tracking.experiment)
    place = {"uri": record.journal.meta("uri") or "", "run": record.journal.run}
    if dict(parent) != place:
        sweep.ledger.update_sweep(parent=place)
    return SweepTracking(place, {"MLFLOW_TRACKING_URI": uri}, record)


def join_tracking(sweep: OpenSweep) -> SweepTracking:
    """The tracking of a sweep that another machine started, which records the sweep's own run."""
    parent = dict(sweep.ledger.read_sweep().parent)
    if not parent:
        return SweepTracking()
    uri = resolve_store(parent["uri"], None, sweep.recipe.tracking.uri, sweep.folder.home)
    return SweepTracking(parent, {"MLFLOW_TRACKING_URI": uri})


def finish_sweep(sweep: OpenSweep, tracking: SweepTracking, *, stopped: bool) -> int:
    """Write the results into the sweep's folder and its run, and send what its trials could not; how many records are left unsent."""
    summary = sweep.summary()
    plots = draw_plots(sweep.search.study, sweep.folder.name, sweep.targets, sweep.folder.results)
    files = [*plots.values(), *_write_results(sweep, summary)]
    record = tracking.record
    if record is None:
        return 0
    _record_results(sweep, summary, files, plots, record)
    record.tracker.finish("KILLED" if stopped else "FINISHED")
    record.close(STOPPED_SECONDS if stopped else SENDING_SECONDS)
    if stopped:
        return 0
    runs = [RunFolder(sweep.folder.home / "runs" / outcome.run) for outcome in summary.outcomes.values()]
    journals = [run.journal for run in runs if (run.path / "journal.sqlite").exists()]
    return send_journals([sweep.folder.journal, *journals], record.uri, record.experiment, sweep.folder.home)


def _describe_sweep(sweep: OpenSweep, record: TrackedJournal) -> None:
    settings, source = sweep.recipe.sweep, str(sweep.folder.info()["source"])
    tags = {"wb.kind": "sweep", "wb.sweep": sweep.folder.name, "wb.recipe": sweep.recipe.name, "mlflow.source.name": source}
    record.tracker.tags(tags)
    if settings is not None:
        params = {
            "sweep.metric": ", ".join(target.metric for target in sweep.targets),
            "sweep.sampler": settings.sampler,
            "sweep.pruner": settings.pruner,
        }
        spaces = {f"sweep.space.{key}": _describe_space(space) for key, space in settings.space.items()}
        record.tracker.params(params | spaces)
    record.tracker.artifact(sweep.folder.recipe)


def _describe_space(space: Space) -> str:
    """As in the recipe, for people: "1e-05 to 0.01, log", "ddim | ddpm"."""
    if space.choices is not None:
        text = " | ".join(map(str, space.choices))
    else:
        step = f", step {space.step:g}" if space.step else ""
        text = f"{space.low:g} to {space.high:g}" + (", log" if space.log else "") + step
    return text + "".join(f", when {key} = {value}" for key, value in (space.when or {}).items())


def _write_results(sweep: OpenSweep, summary: Summary) -> list[Path]:
    files = []
    if summary.best is not None and len(sweep.targets) == 1:
        row = next(row for row in summary.rows if row.number == summary.best)
        files.append(sweep.folder.results / "best.toml")
        write_text(files[-1], best_recipe(sweep.folder, row))
    if summary.confirmed is not None:
        files.append(sweep.folder.results / "confirmed.json")
    return files


def _record_results(
    sweep: OpenSweep, summary: Summary, files: list[Path], plots: Mapping[str, Path], record: TrackedJournal
) -> None:
    from PIL import Image

    tracker, tally, best = record.tracker, sweep.queue.tally(), summary.best
    tracker.tags({"mlflow.note.content": "\n\n".join(line.strip() for line in describe_result(summary))})
    tracker.metrics({"sweep/complete": tally.complete, "sweep/pruned": tally.pruned, "sweep/failed": tally.failed}, tally.done)
    if best is not None and len(sweep.targets) == 1:
        tracker.metrics({f"sweep/best_{sweep.targets[0].metric}": summary.outcomes[best].values[0]}, tally.done)
        tracker.tags({"wb.best_trial": str(best)})
    if summary.confirmed is not None:  # free of the bias of being the best of many
        mean = summary.confirmed["trials"][0]["mean"]
        tracker.metrics({f"sweep/confirmed_{summary.confirmed['metric']}": mean}, tally.done)
    for path in files:
        tracker.artifact(path, "sweep")
    for key, path in plots.items():
        if path.suffix == ".png":
            with Image.open(path) as image:
                tracker.image(key, image.convert("RGB"), tally.done)
