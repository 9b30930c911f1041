"""The names of a new package, its module, its component and its class."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError

import workbench as wb
from workbench.errors import ScaffoldError

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # PyPA's "Names and normalization"
LONGEST = 80


@dataclass(frozen=True)
class Names:
    """`My.Sampler` is the distribution my-sampler, the module and component my_sampler, the class MySampler."""

    distribution: str
    module: str
    class_name: str

    @classmethod
    def of(cls, text: str) -> Names:
        """The names that follow from a package's name; ScaffoldError if one is not valid or is taken."""
        if not _NAME.fullmatch(text) or len(text) > LONGEST:
            raise ScaffoldError(
                f"'{text}' is not a package name: at most {LONGEST} letters, digits, '-', '_' and '.', with a letter or a digit at both ends, "
                "e.g. my-sampler"
            )
        name = wb.registry.canonical_name(text)
        module = name.replace("-", "_")
        _check_module(text, module)
        _check_free(name, module)
        return cls(name, module, "".join(part.capitalize() for part in name.split("-")))


def _check_module(text: str, module: str) -> None:
    if not module.isidentifier() or keyword.iskeyword(module):
        raise ScaffoldError(
            f"'{text}': the module would be called '{module}', which Python cannot import; start with a letter, e.g. my-{text}"
        )
    if module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
        raise ScaffoldError(
            f"'{text}': there is already a module '{module}', which would hide the new one or be hidden by it; e.g. my-{text}"
        )


def _check_free(name: str, component: str) -> None:
    if name == wb.registry.CORE or wb.registry.is_first_party(name):
        raise ScaffoldError(
            f"'{name}': names that start with {wb.registry.CORE} are reserved for the workbench's own packages; e.g. my-sampler"
        )
    for kind in wb.registry.GROUPS:
        for entry in wb.registry.installed(kind, hidden=True):
            if entry.name == component:
                raise ScaffoldError(
                    f"'{name}': {entry.distribution} already offers a component '{component}' ({kind}), and recipes could not distinguish the two"
                )
    try:
        version = wb.registry.distribution(name).version
    except PackageNotFoundError:
        return
    raise ScaffoldError(f"'{name}': a package of this name is installed ({version})")
