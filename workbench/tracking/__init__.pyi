from .children import find_recorded_run as find_recorded_run
from .delivery import Delivery as Delivery, count_left as count_left
from .drainer import Drainer as Drainer, send_pending as send_pending
from .facts import run_facts as run_facts
from .health import store_health as store_health
from .mlflow_errors import prepare_environment as prepare_environment
from .outbox import Outbox as Outbox
from .records import PARENT as PARENT
from .removal import delete_run as delete_run
from .store import (
    LOCAL as LOCAL,
    artifact_root as artifact_root,
    check_uri as check_uri,
    default_uri as default_uri,
    is_same_store as is_same_store,
    local_store as local_store,
    open_run as open_run,
    relocate_store as relocate_store,
    resolve_uri as resolve_uri,
    store_name as store_name,
    tracking_uri as tracking_uri,
)
from .view import open_view as open_view
