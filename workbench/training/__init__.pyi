from . import checkpoint as checkpoint
from .batches import Batches as Batches
from .checkpoint import (
    AVERAGE as AVERAGE,
    STATE as STATE,
    Checkpoint as Checkpoint,
    TrainState as TrainState,
    latest_checkpoint as latest_checkpoint,
    load_average as load_average,
    newest_folder as newest_folder,
)
from .environment import Agreement as Agreement, compare_environment as compare_environment
from .loop import train as train
from .manifest import Manifest as Manifest
from .rate import learning_rate as learning_rate
