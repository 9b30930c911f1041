"""A run in MLflow, with all that is known of it before its first step."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.engine import Parts, RunFolder
    from workbench.tracking import MlflowTracker

__all__ = ["tracked"]


def tracked(
    folder: RunFolder, parts: Parts, source: Path, option: str | None, home: Path, tags: Mapping[str, str] | None = None
) -> MlflowTracker:
    """Open the run, or go on with it where its folder knows it; TrackingError where the store cannot be reached.

    `option` is the store that was asked for, `tags` are further ones, on it from its first moment.
    """
    from workbench.engine import describe_device, origins_of
    from workbench.recipe import decisive
    from workbench.tracking import facts, open_run, tracking_uri

    recipe = parts.recipe
    known = folder.info().get("tracking")
    used = origins_of(recipe)
    hashes = {f"wb.hash.{origin.distribution}": origin.sha256 for origin in used}
    if known and option in (None, known["uri"]):
        tracker = open_run(known["uri"], recipe.tracking.experiment, folder.id, home, known["run_id"])
        tracker.tags(hashes)
        return tracker
    uri = tracking_uri(option, os.environ, recipe.tracking.uri, home)
    first = {"wb.run": folder.id, **(tags or {})}
    tracker = open_run(uri, recipe.tracking.experiment, folder.id, home, tags=first, once="wb.run")
    tracker.params(decisive(recipe))
    tracker.tags(
        {
            **facts({origin.distribution: origin.version for origin in used}, source.absolute()),
            **hashes,
            "mlflow.source.name": str(source),
            "wb.recipe": recipe.name,
            **({"mlflow.note.content": recipe.description} if recipe.description else {}),
            "wb.data": parts.train.provenance.source,
            "wb.device": describe_device(parts.device),
            "wb.precision": parts.compute.told(),
        }
    )
    for examples, context in ((parts.train, "training"), (parts.test, "validation")):
        told = examples.provenance
        tracker.dataset(f"{recipe.dataset.use}: {told.source}", f"{told.source}, {told.location}", told.fingerprint, context)
    tracker.artifact(folder.recipe)
    # Last: where it is missing after a crash, all of this is said again, to the same run.
    folder.update(tracking={"uri": uri, "run_id": tracker.run_id})
    return tracker
