"""MLflow without log messages, telemetry and long retries, and its errors as TrackingError."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from workbench.errors import TrackingError
from workbench.secrets import conceal

DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    # An unreachable server must not delay a run for minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}


class Refused(TrackingError):
    """The store is reachable, and will never accept what was sent."""


def prepare_environment() -> None:
    """Set the environment variables that MLflow reads, unless the user has set them."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    # At the end of a run MLflow prints its address, with the password in it.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


@contextmanager
def mlflow_errors(doing: str) -> Iterator[None]:
    """Turn any error of MLflow and its libraries into a TrackingError without credentials."""
    prepare_environment()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except TrackingError:
            raise
        except Exception as error:  # requests, sqlalchemy, botocore, mlflow itself
            reason = conceal(str(error)).strip().splitlines()
            kind = Refused if _is_refusal(error) else TrackingError
            raise kind(f"{doing} failed: {reason[0][:300] if reason else type(error).__name__}") from None


def _is_refusal(error: Exception) -> bool:
    # A deleted run can be restored, so that its records are not refused for good.
    code = getattr(error, "error_code", "")
    return code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST") and not is_deletion(error)


def is_deletion(error: Exception) -> bool:
    """True if MLflow accepts nothing because the run or its experiment is deleted."""
    return "'active' state" in str(error)
