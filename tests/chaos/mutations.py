"""Mutations of recipes: small changes to their bytes, each a function of a few integers.

A mutation is data, so that a seed gives the same recipes everywhere, and a failing list of mutations can be shortened.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MOST = 4  # mutations of one recipe: with more, nothing is parsed to its end
RANGE = 1 << 16
LARGEST = 1 << 20  # bytes of a recipe after repetition: four times the limit of the reader

NUMBERS = [
    b"0", b"-1", b"1", b"2", b"1000000000", b"1000000000000", b"%d" % 2**70, b"-%d" % 2**70, b"%d" % 2**63, b"1" + b"0" * 400,
    b"0x" + b"f" * 5000, b"0b" + b"1" * 2000, b"0o" + b"7" * 20000, b"9" * 5000, b"nan", b"-nan", b"inf", b"-inf", b"1e308", b"-1e308",
    b"1e-320", b"1e999", b"0.0", b"-0.0", b"1.5", b"1_000_000_000_000.0", b"10000", b"100000", b"65536", b"2048", b"4096",
]  # fmt: skip
WORDS = [
    b'""', b'" "', b'"300"', b'"\\u0000"', b'"\\n"', b'"\\u001b[2J"', b'"\\u202e"', b'"[/bold]"', b'"{}{0}%s%n"', b'"../../outside"',
    b'"/etc/passwd"', b'"~absent-user"', b'"~"', b'"/root"', b'"/dev/zero"', b'"/proc/self/mem"', b'"."', b'"' + b"n" * 4096 + b'"',
    b'"' + b"x" * 100_000 + b'"', b"'''\nlines\n'''", '"Ａｕｔｏ"'.encode(), '"\U0001f697"'.encode(), '"e\u0301"'.encode(),
    '"\u2028"'.encode(), b'"\\ud800"', b"true", b"false", b"1979-05-27", b"1979-05-27T07:32:00Z", b"07:32:00",
]  # fmt: skip
NESTED = [
    b"[]", b"{}", b"[[]]", b"[{}]", b"{ a = 1 }", b'{ use = 1 }', b'{ use = "ddim" }', b"[1, 2, 3]", b"[nan]", b'["ddim", 1, {}]',
    b"[" * 40 + b"]" * 40, b"[" * 3000 + b"]" * 3000, b"{a=" * 200 + b"1" + b"}" * 200, b"[" + b"1," * 20_000 + b"]",
    b"[" + b'"efficientnet_lite0",' * 3000 + b"]", b"[" + b'"no",' * 3000 + b"]", b"[" + b"0.5," * 9000 + b"0.0]",
    b"[1.0, 0.0]", b"[0.0, 1.0]", b"[1.0, 0.5]", b"[1.0, 1.0, 0.0]", b"{" + b".".join([b"a"] * 5000) + b" = 1}",
]  # fmt: skip
VALUES = [*NUMBERS, *WORDS, *NESTED]

NAMES = [
    b"ddim", b"ddpm", b"heun", b"unipc", b"dpmpp_3m", b"cosine", b"linear", b"edm", b"flow", b"sigmoid", b"scaled_linear", b"unet", b"dit",
    b"small_cnn", b"cars", b"folder", b"cifar10", b"inception", b"diffusers_unet", b"diffusers", b"DDIM", b"dd im", b"", b":", b"ddim:", b":ddim",
    b"diffusion-workbench-samplers:ddim", b"diffusion_workbench.samplers:ddim", b"os:system", b"../ddim", b"ddim\\u0000", b"\\u202emidd",
    b"d" * 4096, b"%s", b"{0.__class__}", b"*", "ddіm".encode(), b"__init__",
]  # fmt: skip
BASES = [
    b"mutated.toml", b"./mutated.toml", b"cars_linear.toml", b"sweep.toml", b"nowhere.toml", b"", b".", b"..", b"/", b"/etc", b"/etc/passwd",
    b"/dev/zero", b"/dev/null", b"/proc/self/environ", b"/proc/self/status", b"one.toml", b"loop.toml", b"folder", b"a\\u0000b", b"n" * 300,
    b"d/" * 3000, b"~/x.toml", b"../recipes/cars_linear.toml", b"C:\\\\x.toml", b"file:///etc/passwd", b"http://localhost/x.toml", b"\\u202ex", b"[/x]",
]  # fmt: skip
# Lines that are valid or nearly so, and demand a lot: (table, line).
DEMANDS = [
    (b"dataset", b"image_size = 256"), (b"dataset", b"image_size = 1000000000"), (b"dataset", b"root = '/usr'"), (b"dataset", b"root = '/proc'"),
    (b"denoiser", b"channels = 2048\nmultipliers = [64, 64, 64, 64]\nblocks = 16"), (b"denoiser", b"channels = 1000000000000"),
    (b"denoiser", b"use = 'dit'\nwidth = 8192\ndepth = 256\npatch = 1\nheads = 128"), (b"denoiser", b"use = 'small_cnn'\nchannels = 2048\ndepth = 64"),
    (b"schedule", b"steps = 100000"), (b"schedule", b"steps = 2\nscale_to_steps = false\nbeta_start = 1e-320\nbeta_end = 1e-320"),
    (b"schedule", b"zero_terminal_snr = true"), (b"schedule", b"use = 'edm'\nsigma_max = 1e6\nrho = 20.0"),
    (b"schedule", b"use = 'sigmoid'\nstart = -40.0\nend = 20.0"), (b"sampler", b"steps = 10000"),
    (b"sampler", b"steps = 10000\nspacing = 'karras'\nchurn = { amount = 1e300 }"), (b"sampler", b"spacing = 'logsnr'\nsigma_min = 1e-320"),
    (b"sampler", b"spacing = 'karras'\nsigma_min = 1e-320\nrho = 100.0"), (b"sampler", b"spacing = 'karras'\nsigma_max = 1e308"),
    (b"sampler", b"steps = 10000\nrestart = { times = 1000, low = 0.01, high = 70.0 }"), (b"sampler", b"restart = { times = 1, low = 1e308, high = 1e-308 }"),
    (b"sampler", b"spacing = 'explicit'\ntimes = [1.0, 0.5]\nrestart = { low = 0.1 }"), (b"sampler", b"spacing = 'explicit'\ntimes = [0.0, 1.0]\nchurn = { amount = 1.0 }"),
    (b"sampler", b"spacing = 'explicit'\ntimes = [1.0, " + b"0.5, 0.6, " * 4000 + b"0.0]"), (b"sampler", b"guidance = 100.0"),
    (b"sampler", b"spacing = 'trailing'\nsteps = 10000"), (b"train", b"batch_size = 65536"), (b"train", b"steps = 1180591620717411303424"),
    (b"train", b"condition = true"), (b"train", b"max_minutes = 1e308"), (b"train", b"max_minutes = 1e-308"), (b"evaluate", b"samples = 1000000"),
    (b"evaluate", b"real = 1180591620717411303424"), (b"evaluate", b"features = ['inception']"),
    (b"evaluate", b"features = [{ use = 'inception', weights = '~absent-user' }]"), (b"evaluate", b"features = []"),
    (b"evaluate.sampler", b"use = 'ddim'\nsteps = 10000\nspacing = 'karras'"), (b"tracking", b"experiment = '..'"), (b"tracking", b"experiment = \"a\\u0000b\""),
    (b"tracking", b"uri = 'sqlite:////nowhere/x.db'"), (b"objective", b"weight = 'edm'\nstd = 1e308"), (b"sweep", b"trials = 1180591620717411303424"),
    (b"sweep", b"metrics = ['kid', 'fd', 'kid', 'fd']"), (b"sweep.space", b"'train.steps' = { low = 1" + b"0" * 400 + b", high = 1" + b"0" * 401 + b" }"),
    (b"sweep.space", b"'train.steps' = { low = 0, high = 0x" + b"f" * 4000 + b" }"), (b"sweep.space", b"'x' = { low = 0.0, high = 1e308, step = 1e-308 }"),
    (b"sweep.space", b"'x' = { low = nan, high = inf }"), (b"sweep.space", b"'x' = { choices = [" + b"1," * 5000 + b"] }"),
    (b"sweep.space", b"'a' = { choices = [1], when = { b = 1 } }\n'b' = { choices = [1], when = { a = 1 } }"),
    (b"sweep.space", b"".join(b"'k%d' = { low = 0, high = 9 }\n" % i for i in range(2000))),
]  # fmt: skip
# Text that is inserted at any place.
PIECES = [
    b"\0", b"\x1b[31m", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\r", b"\r\n", b"\x0b", b"\x0c", b"\x85", "\u2028".encode(),
    "\u202e".encode(), "\u00a0".encode(), "\U0001f697".encode(), "e\u0301".encode(), b"'''", b'"""', b'"', b"'", b"#", b"=", b"[", b"]", b"[[", b"]]", b"{", b"}",
    b".", b",", b"\\", b"\n", b"\t", b" " * 20_000, b"\n" * 20_000, b"#" * 100_000, b"a" * 100_000, b'"' * 999, b"'\n" * 20_000, b'"\n' * 20_000,
]  # fmt: skip
# Lines that are inserted.
LINES = [
    b".".join([b"a"] * 5000) + b" = 1", b"[" + b".".join([b"a"] * 5000) + b"]", b"[" + b" . ".join([b"a"] * 5000) + b"]\nk = 1\nl = 2",
    b"".join(b"k%d = 1\n" % i for i in range(9000)), b"".join(b"[t%d]\n" % i for i in range(9000)), b"".join(b"[[t]]\n" for _ in range(9000)),
    b"[" + b" " * 3000 + b'"a]b"]', b"[" + b" " * 3000 + b"x", b" " * 3000 + b"x", b"a" * 50_000, b'"' + b"\\\\" * 9000 + b'" = 1',
    b'"' + b"k" * 60_000 + b'" = 1', b'"\\u001b[2J" = 1', b'"\\u202e" = 1', b'"a\\nb" = 1', b'"" = 1', b"'' = {'' = {'' = 1}}", b"[dataset]", b"[[dataset]]", b"[sampler.use]",
    b"[sweep.space.'train.steps']\nlow = 1", b"__proto__ = 1", b"[model_config]", b"[dataset.model_fields]", b"self = 1", b"component = 1", b"1 = 1", b"- = -", b"a..b = 1", b"a = 1 b = 2",
]  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One change. `at` and `other` choose places, `what` chooses a value; all are taken modulo the number of choices."""

    kind: str
    at: int = 0
    other: int = 0
    what: int = 0

    def __call__(self, recipe: bytes) -> bytes:
        """The recipe with the change."""
        return KINDS[self.kind](recipe, self)


def apply(recipe: bytes, mutations: Sequence[Mutation]) -> bytes:
    """Apply the mutations one after another."""
    for mutation in mutations:
        recipe = mutation(recipe)
    return recipe


def shipped(folder: Path) -> dict[str, bytes]:
    """The recipes that are mutated, by file name; one of them has [sweep]."""
    recipes = {path.name: path.read_bytes() for path in sorted(folder.glob("*.toml"))}
    if not any(b"[sweep.space]" in recipe for recipe in recipes.values()):
        raise ValueError(f"no recipe with [sweep] in {folder}")
    return recipes


def prepared(top: Path, recipes: dict[str, bytes]) -> Path:
    """Create a project with the shipped recipes, and targets for `extends`."""
    home = top / "project"
    (home / "recipes" / "folder").mkdir(parents=True)
    for name, recipe in recipes.items():
        (home / "recipes" / name).write_bytes(recipe)
    (home / "recipes" / "one.toml").write_text('extends = "mutated.toml"\n')
    (home / "recipes" / "loop.toml").symlink_to("loop.toml")
    (home / "photos").mkdir()
    (home / "data" / "cifar-10-batches-py").mkdir(parents=True)
    return home


def draw_mutations(seed: int, index: int, recipes: dict[str, bytes]) -> tuple[str, list[Mutation]]:
    """The name and mutations of the `index`-th recipe of a seed."""
    rng = random.Random(f"{seed} {index}")
    name = rng.choice(sorted(recipes))
    kinds = sorted(KINDS)
    count = rng.randint(1, MOST)
    # The first mutation takes all kinds in turn, so that none is rare.
    chosen = [kinds[index % len(kinds)], *rng.choices(kinds, k=count - 1)]
    return name, [Mutation(kind, *(rng.randrange(RANGE) for _ in range(3))) for kind in chosen]


def _lines(recipe: bytes, matches: Callable[[bytes], bool] = lambda line: True) -> tuple[list[bytes], list[int]]:
    lines = recipe.split(b"\n")
    return lines, [i for i, line in enumerate(lines) if matches(line)]


def _is_assignment(line: bytes) -> bool:
    return b"=" in line and not line.lstrip().startswith((b"#", b"["))


def _is_header(line: bytes) -> bool:
    return line.lstrip().startswith(b"[")


def _change_line(
    recipe: bytes, mutation: Mutation, matches: Callable[[bytes], bool], change: Callable[[bytes], list[bytes]]
) -> bytes:
    lines, fitting = _lines(recipe, matches)
    if not fitting:
        return recipe
    at = fitting[mutation.at % len(fitting)]
    return b"\n".join([*lines[:at], *change(lines[at]), *lines[at + 1 :]])


def _delete(recipe: bytes, mutation: Mutation) -> bytes:
    return _change_line(recipe, mutation, lambda line: True, lambda line: [])


def _duplicate(recipe: bytes, mutation: Mutation) -> bytes:
    return _change_line(recipe, mutation, lambda line: True, lambda line: [line] * (2 + mutation.what % 3))


def _rename(recipe: bytes, mutation: Mutation) -> bytes:
    def renamed(line: bytes) -> list[bytes]:
        key, _, value = line.partition(b"=")
        new = [
            key.strip() + b"s",
            key.strip()[:-1],
            key.strip().upper(),
            b'"' + key.strip() + b'\\u0000"',
            b"use",
            b"a.b.c",
            b"x" * 9000,
        ]
        return [new[mutation.what % len(new)] + b" =" + value]

    return _change_line(recipe, mutation, _is_assignment, renamed)


def _set_value(recipe: bytes, mutation: Mutation, values: Sequence[bytes]) -> bytes:
    return _change_line(
        recipe, mutation, _is_assignment, lambda line: [line.partition(b"=")[0] + b"= " + values[mutation.what % len(values)]]
    )


def _value(recipe: bytes, mutation: Mutation) -> bytes:
    return _set_value(recipe, mutation, VALUES)


def _number(recipe: bytes, mutation: Mutation) -> bytes:
    return _set_value(recipe, mutation, NUMBERS)


def _swap_values(recipe: bytes, mutation: Mutation) -> bytes:
    lines, fitting = _lines(recipe, _is_assignment)
    if len(fitting) < 2:
        return recipe
    one, other = fitting[mutation.at % len(fitting)], fitting[mutation.other % len(fitting)]
    (a, _, x), (b, _, y) = lines[one].partition(b"="), lines[other].partition(b"=")
    lines[one], lines[other] = a + b"=" + y, b + b"=" + x
    return b"\n".join(lines)


def _swap_tables(recipe: bytes, mutation: Mutation) -> bytes:
    lines, fitting = _lines(recipe, _is_header)
    if len(fitting) < 2:
        return recipe
    one, other = fitting[mutation.at % len(fitting)], fitting[mutation.other % len(fitting)]
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _header(recipe: bytes, mutation: Mutation) -> bytes:
    def changed(line: bytes) -> list[bytes]:
        bare = line.strip(b"[] \r")
        forms = [
            b"[[" + bare + b"]]",
            b"[" + bare + b".sampler]",
            bare + b" = 1",
            b"[" + bare.upper() + b"]",
            b"[" + bare,
            b"['" + bare + b"']",
            b"",
        ]
        return [forms[mutation.what % len(forms)]]

    return _change_line(recipe, mutation, _is_header, changed)


def _demand(recipe: bytes, mutation: Mutation) -> bytes:
    """Add lines to a table, replacing those with the same keys."""
    table, demand = DEMANDS[mutation.what % len(DEMANDS)]
    keys = {line.partition(b"=")[0].strip() for line in demand.split(b"\n")}
    lines = recipe.split(b"\n")
    starts = [i for i, line in enumerate(lines) if line.split(b"#")[0].strip() == b"[" + table + b"]"]
    if not starts:
        return recipe + b"\n[" + table + b"]\n" + demand + b"\n"
    end = next((i for i in range(starts[0] + 1, len(lines)) if _is_header(lines[i])), len(lines))
    kept = [line for line in lines[starts[0] + 1 : end] if line.partition(b"=")[0].strip() not in keys]
    return b"\n".join([*lines[: starts[0] + 1], demand, *kept, *lines[end:]])


def _use(recipe: bytes, mutation: Mutation) -> bytes:
    return _change_line(
        recipe,
        mutation,
        lambda line: line.lstrip().startswith(b"use"),
        lambda line: [b'use = "' + NAMES[mutation.what % len(NAMES)] + b'"'],
    )


def _extends(recipe: bytes, mutation: Mutation) -> bytes:
    value = b'"' + BASES[mutation.what % len(BASES)] + b'"' if mutation.other % 8 else VALUES[mutation.what % len(VALUES)]
    lines, _ = _lines(recipe)
    return b"\n".join([b"extends = " + value, *(line for line in lines if not line.startswith(b"extends"))])


def _insert_line(recipe: bytes, mutation: Mutation) -> bytes:
    return _change_line(recipe, mutation, lambda line: True, lambda line: [line, LINES[mutation.what % len(LINES)]])


def _paste(recipe: bytes, mutation: Mutation) -> bytes:
    at = mutation.at * len(recipe) // RANGE
    return recipe[:at] + PIECES[mutation.what % len(PIECES)] + recipe[at:]


def _flip(recipe: bytes, mutation: Mutation) -> bytes:
    if not recipe:
        return recipe
    at = mutation.at * len(recipe) // RANGE
    return recipe[:at] + bytes([recipe[at] ^ (1 << mutation.what % 8)]) + recipe[at + 1 :]


def _truncate(recipe: bytes, mutation: Mutation) -> bytes:
    return recipe[: mutation.at * len(recipe) // RANGE]


def _cut(recipe: bytes, mutation: Mutation) -> bytes:
    one, other = sorted((mutation.at * len(recipe) // RANGE, mutation.other * len(recipe) // RANGE))
    return recipe[:one] + recipe[other:]


def _crlf(recipe: bytes, mutation: Mutation) -> bytes:
    return recipe.replace(b"\n", [b"\r\n", b"\r", b"\n\r", b"\x0b\n", b"\x85\n", "\u2028\n".encode()][mutation.what % 6])


def _encoding(recipe: bytes, mutation: Mutation) -> bytes:
    text = recipe.decode("utf-8", "replace")
    return [
        b"\xef\xbb\xbf" + recipe,
        text.encode("utf-16"),
        text.encode("utf-16-le"),
        text.encode("utf-32"),
        text.encode("latin-1", "replace") + b"#\xe9",
    ][mutation.what % 5]


def _repeat(recipe: bytes, mutation: Mutation) -> bytes:
    times = 2 + mutation.what % 200
    return recipe * min(times, max(1, LARGEST // max(1, len(recipe))))  # several repetitions may follow one another


KINDS: dict[str, Callable[[bytes, Mutation], bytes]] = {
    "crlf": _crlf,
    "cut": _cut,
    "delete": _delete,
    "demand": _demand,
    "duplicate": _duplicate,
    "encoding": _encoding,
    "extends": _extends,
    "flip": _flip,
    "header": _header,
    "insert line": _insert_line,
    "number": _number,
    "paste": _paste,
    "rename": _rename,
    "repeat": _repeat,
    "swap tables": _swap_tables,
    "swap values": _swap_values,
    "truncate": _truncate,
    "use": _use,
    "value": _value,
}
