from . import (
    compute as compute,
    diffusion as diffusion,
    evaluation as evaluation,
    interfaces as interfaces,
    metrics as metrics,
    model as model,
    recipe as recipe,
    registry as registry,
    runs as runs,
    sampling as sampling,
    sweep as sweep,
    testing as testing,
    tracking as tracking,
    training as training,
)

__version__: str
__all__ = ["__version__"]
