"""The peers: their installed packages, with the loops and defaults of their training examples."""

import os

# Their progress bars would overwrite ours.
os.environ.setdefault("TQDM_DISABLE", "1")
