"""The server of `wb ui`: MLflow's own, whose page does not open what it shows to first visitors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# MLflow's interface keeps these in the browser, under a name and a version, and no setting of the server reaches them.
FIRST_VISIT = {
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,  # else a panel for a language model covers a quarter of the page
    "mlflow.telemetry.info.alert.dismissed_v1": True,  # a notice; the server that `wb ui` starts collects nothing
    "mlflow.settings.telemetry.enabled_v1": False,
}


def create_app() -> Any:
    """MLflow's application, found by `mlflow server --app-name workbench`; requests pass the same checks as there."""
    from flask import Response
    from mlflow.server import app as pages
    from mlflow.server.fastapi_app import app

    file = Path(pages.static_folder or "", "index.html")
    if "serve" in pages.view_functions and file.is_file():
        page = with_first_visit(file.read_text(encoding="utf-8"))
        pages.view_functions["serve"] = lambda: Response(page, mimetype="text/html")
    return app


def with_first_visit(page: str) -> str:
    """`page` with a script before all others that sets what the browser has no value for yet."""
    values = json.dumps({key: json.dumps(value) for key, value in FIRST_VISIT.items()})
    script = f"for (const [k, v] of Object.entries({values})) if (localStorage.getItem(k) === null) localStorage.setItem(k, v);"
    return page.replace("<head>", f"<head><script>{script}</script>", 1)
