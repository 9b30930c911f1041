from .checks import check_sweep as check_sweep
from .coordinator import WorkerView as WorkerView
from .folder import SweepFolder as SweepFolder, list_sweeps as list_sweeps
from .launching import launcher_of as launcher_of, worker_command as worker_command
from .ledger import Ledger as Ledger, Row as Row
from .needs import check_not_needed as check_not_needed
from .objectives import search_targets as search_targets
from .opening import (
    OpenSweep as OpenSweep,
    check_storage as check_storage,
    choose_folder as choose_folder,
    join_sweep as join_sweep,
    open_sweep as open_sweep,
)
from .running import (
    Status as Status,
    confirm_best as confirm_best,
    confirmation_of as confirmation_of,
    run_launched as run_launched,
    run_sweep as run_sweep,
)
from .sources import ConfirmationSource as ConfirmationSource
from .space import axes_of as axes_of
from .summary import (
    Summary as Summary,
    best_recipe as best_recipe,
    describe_result as describe_result,
    summarize_sweep as summarize_sweep,
)
from .tracking import (
    SweepTracking as SweepTracking,
    finish_sweep as finish_sweep,
    join_tracking as join_tracking,
    track_sweep as track_sweep,
)
from .trial_recipe import prune_every as prune_every
from .wire import Task as Task, Wire as Wire
from .worker import run_worker as run_worker
