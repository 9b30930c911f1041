from .answers import answer as answer, read_answer as read_answer
from .checks import check_sweep as check_sweep
from .confirm import trials_to_confirm as trials_to_confirm
from .coordinator import WorkerView as WorkerView, coordinate as coordinate
from .folder import SweepFolder as SweepFolder, list_sweeps as list_sweeps
from .launching import launcher_of as launcher_of, worker_command as worker_command
from .ledger import Ledger as Ledger, Row as Row
from .needs import check_not_needed as check_not_needed
from .objectives import search_targets as search_targets
from .opening import (
    OpenSweep as OpenSweep,
    check_storage as check_storage,
    folder_for as folder_for,
    open_sweep as open_sweep,
    sweep_started_elsewhere as sweep_started_elsewhere,
)
from .plots import draw_plots as draw_plots
from .processes import Process as Process, environment as environment
from .sources import Remeasurements as Remeasurements, Trials as Trials, describe_outcome as describe_outcome
from .space import axes_of as axes_of
from .summary import Summary as Summary, best_recipe as best_recipe, summarize_sweep as summarize_sweep
from .trial_recipe import prune_every as prune_every
from .wire import Task as Task, Wire as Wire
from .worker import run_worker as run_worker
