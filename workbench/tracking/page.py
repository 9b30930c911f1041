"""The server of `wb ui`: MLflow's own, without the panels that its page opens at the first visit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# MLflow's interface stores these in the browser, under a name and a version; the server has no setting for them.
FIRST_VISIT = {
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,  # else a panel for a language model covers a quarter of the page
    "mlflow.telemetry.info.alert.dismissed_v1": True,  # a notice; the server of `wb ui` collects nothing
    "mlflow.settings.telemetry.enabled_v1": False,
}


def create_app() -> Any:
    """MLflow's application for `mlflow server --app-name workbench`; requests pass the same checks as in MLflow's own."""
    from flask import Response
    from mlflow.server import app as pages
    from mlflow.server.fastapi_app import app

    file = Path(pages.static_folder or "", "index.html")
    if "serve" in pages.view_functions and file.is_file():
        page = with_first_visit(file.read_text(encoding="utf-8"))
        pages.view_functions["serve"] = lambda: Response(page, mimetype="text/html")
    return app


def with_first_visit(page: str) -> str:
    """`page` with a first script that sets the values which the browser does not have yet."""
    values = json.dumps({key: json.dumps(value) for key, value in FIRST_VISIT.items()})
    script = f"for (const [k, v] of Object.entries({values})) if (localStorage.getItem(k) === null) localStorage.setItem(k, v);"
    return page.replace("<head>", f"<head><script>{script}</script>", 1)
