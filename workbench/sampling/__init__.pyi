from .batch_size import SIZES as SIZES
from .generator import Generator as Generator, draw_labels as draw_labels
