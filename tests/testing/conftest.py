"""The copies with mistakes lie beside the tests."""

import importlib.util
import sys
from pathlib import Path

# Tests are imported by path (--import-mode=importlib), so the module beside them has to be named.
spec = importlib.util.spec_from_file_location("kit_mistakes", Path(__file__).with_name("mistakes.py"))
assert spec is not None
assert spec.loader is not None
module = importlib.util.module_from_spec(spec)
sys.modules["kit_mistakes"] = module
spec.loader.exec_module(module)
