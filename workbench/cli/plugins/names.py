"""What a new package, its module, its component and its class are called."""

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
        """The names that follow from a package's; ScaffoldError where one is no name or is taken."""
        if not _NAME.fullmatch(text) or len(text) > LONGEST:
            raise ScaffoldError(
                f"'{text}' is no name for a package: letters, digits, '-', '_' and '.' make one, with a letter or a digit at both ends "
                f"and at most {LONGEST} of them, e.g. my-sampler"
            )
        name = wb.registry.canonical_name(text)
        module = name.replace("-", "_")
        _check_module(text, module)
        _check_free(name, module)
        return cls(name, module, "".join(part.capitalize() for part in name.split("-")))


def _check_module(text: str, module: str) -> None:
    if not module.isidentifier() or keyword.iskeyword(module):
        raise ScaffoldError(
            f"'{text}': the module would be called '{module}', which Python cannot import; begin with a letter, e.g. my-{text}"
        )
    if module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
        raise ScaffoldError(
            f"'{text}': there is already a module '{module}', and the new one would hide it or be hidden; e.g. my-{text}"
        )


def _check_free(name: str, component: str) -> None:
    if name == wb.registry.CORE or wb.registry.is_first_party(name):
        raise ScaffoldError(
            f"'{name}': names that begin with {wb.registry.CORE} belong to the workbench's own packages; e.g. my-sampler"
        )
    for kind in wb.registry.GROUPS:
        for entry in wb.registry.installed(kind, hidden=True):
            if entry.name == component:
                raise ScaffoldError(
                    f"'{name}': {entry.distribution} already offers a component '{component}' ({kind}), and recipes could not tell them apart"
                )
    try:
        version = wb.registry.distribution(name).version
    except PackageNotFoundError:
        return
    raise ScaffoldError(f"'{name}': a package of this name is installed here ({version})")
