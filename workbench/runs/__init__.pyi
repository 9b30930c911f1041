from .combinations.evaluator import (
    CombinationEvaluator as CombinationEvaluator,
    CombinationResult as CombinationResult,
    Measurement as Measurement,
)
from .combinations.measuring import (
    MeasuredCombination as MeasuredCombination,
    PlannedCombination as PlannedCombination,
    choose_measurement as choose_measurement,
    measure_combinations as measure_combinations,
    plan_combinations as plan_combinations,
)
from .combinations.record import TrackedEvaluation as TrackedEvaluation, track_evaluation as track_evaluation
from .combinations.report import (
    PLOTS as PLOTS,
    CombinationReport as CombinationReport,
    ReportRow as ReportRow,
    sample_command as sample_command,
)
from .comparison import differing_fields as differing_fields, samples_side_by_side as samples_side_by_side
from .components import changed_origins as changed_origins, record_origins as record_origins
from .cost import CostEstimate as CostEstimate, estimate_cost as estimate_cost
from .durations import measure_durations as measure_durations
from .folder import (
    RunFolder as RunFolder,
    create_run as create_run,
    find_run as find_run,
    list_runs as list_runs,
    open_folder as open_folder,
)
from .health import check_health as check_health
from .images import DrawnImages as DrawnImages, draw_images as draw_images
from .listing import (
    BestDistance as BestDistance,
    RunListing as RunListing,
    RunSummary as RunSummary,
    summarize_runs as summarize_runs,
)
from .recording import final_weight_files as final_weight_files, record_run as record_run
from .removal import (
    TrackedRun as TrackedRun,
    check_not_written as check_not_written,
    find_removable as find_removable,
    remove_run as remove_run,
    tracked_run as tracked_run,
)
from .resume import Plan as Plan, plan_run as plan_run
from .session import Session as Session, open_session as open_session
from .spec import changed_data as changed_data, read_run as read_run, record_data as record_data
from .tracking.journal import TrackedJournal as TrackedJournal, send_journals as send_journals
from .tracking.run import Store as Store
from .tracking.store import note_store as note_store, resolve_store as resolve_store, store_of_run as store_of_run
from .tracking.sync import SyncResult as SyncResult, has_unsent as has_unsent, sync_folder as sync_folder
from .weights import load_generator as load_generator, reevaluate as reevaluate
