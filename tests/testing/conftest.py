"""Makes the package of components with mistakes importable."""

import importlib.util
import sys
from pathlib import Path

# Tests are imported by path (--import-mode=importlib), so the package next to them has to be registered.
folder = Path(__file__).with_name("mistakes")
spec = importlib.util.spec_from_file_location("kit_mistakes", folder / "__init__.py", submodule_search_locations=[str(folder)])
assert spec is not None
assert spec.loader is not None
package = importlib.util.module_from_spec(spec)
sys.modules["kit_mistakes"] = package
spec.loader.exec_module(package)
