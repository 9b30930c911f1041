"""The peers' side: their packages as installed, their training examples' loops and defaults."""

import os

# Their progress bars would be drawn over ours.
os.environ.setdefault("TQDM_DISABLE", "1")
