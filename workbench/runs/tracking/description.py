"""The description of a run for the tracking store, written into its journal from its folder after the run has ended."""

from __future__ import annotations

from workbench.journal import Journal
from workbench.recipe import Recipe, decisive_settings
from workbench.runs.folder import RunFolder
from workbench.runs.recording import final_weight_files
from workbench.tracking import Outbox

ENDS = ("finished", "killed", "failed")  # events of a journal


def describe_from_folder(folder: RunFolder, recipe: Recipe, journal: Journal) -> None:
    """Complete the journal of a run that was killed, or that an earlier version did not track."""
    outbox = Outbox(journal, folder.pictures)
    if not journal.meta("described"):
        _describe_content(folder, recipe, outbox)
        journal.set_meta(described="yes", experiment=recipe.tracking.experiment)
    _describe_end(folder, journal, outbox)


def _describe_content(folder: RunFolder, recipe: Recipe, outbox: Outbox) -> None:
    """Everything but the package versions and the machine of that time."""
    outbox.params(decisive_settings(recipe))
    components = folder.info().get("components", [])
    outbox.tags(
        {
            "wb.recipe": recipe.name,
            **({"mlflow.note.content": recipe.description} if recipe.description else {}),
            **{f"wb.version.{component['distribution']}": component["version"] for component in components},
            **{f"wb.hash.{component['distribution']}": component["sha256"] for component in components},
        }
    )
    outbox.artifact(folder.recipe)
    for path in sorted(folder.pictures.glob("*")):
        key, _, step = path.stem.rpartition("_")
        if path.suffix == ".png" and key and step.isdigit():
            outbox.picture(key, path, int(step))
        elif path.is_file():
            outbox.artifact(path, "pictures")
    if (folder.path / "cards.json").is_file():
        outbox.artifact(folder.path / "cards.json")
    for path in final_weight_files(folder) if folder.status() == "FINISHED" else []:
        outbox.artifact(path, "checkpoint")


def _describe_end(folder: RunFolder, journal: Journal, outbox: Outbox) -> None:
    status, events = folder.status(), journal.events()
    if status == "RUNNING":
        return
    ended = bool(events) and events[-1][0] in ENDS
    if not ended:
        journal.event(status.lower(), int(folder.info().get("step", 0)))
    if not ended or not journal.has_record("status"):
        outbox.finish(status)
