from .computation import Compute as Compute, choose_compute as choose_compute
from .device import (
    choose_device as choose_device,
    describe_device as describe_device,
    move_to_device as move_to_device,
    peak_memory as peak_memory,
)
from .fast.choices import Choices as Choices, cpu_id as cpu_id
from .graphs import RecordedGraph as RecordedGraph
from .memory import (
    DRAWING as DRAWING,
    MICRO_BATCH as MICRO_BATCH,
    TRAINING as TRAINING,
    exhausted_memory_error as exhausted_memory_error,
    explain_exhausted_memory as explain_exhausted_memory,
    explain_out_of_memory as explain_out_of_memory,
    is_out_of_memory as is_out_of_memory,
)
from .timing import fastest_milliseconds as fastest_milliseconds
