"""Forbidden words: the project is written in plain technical English."""

import ast
import io
import re
import tokenize

WORDS = {
    "told", "tell", "tells", "telling", "mend", "mends", "mended", "mending", "stranger", "strangers", "whoever", "somebody", "nobody",
    "as it comes", "put up with", "puts up with", "by now",
}  # fmt: skip
# Place -> words that may stand there, each with its reason.
ALLOWED: dict[str, set[str]] = {
    "tests/test_words.py": WORDS,  # the list itself
}
FOLDERS = ("workbench", "plugins/*/src", "plugins/*/tests", "benchmarks", "tests", "docs/plugins")
PATTERN = re.compile(rf"\b({'|'.join(sorted(WORDS))})\b")


def words_of(identifier):
    """`find_strangersSampler` -> "find strangers sampler"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_+", " ", identifier)


def texts(path):
    """Line numbers with comments, strings (docstrings, messages, help) and identifiers in words."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.NAME:
            yield token.start[0], words_of(token.string)
        elif token.type in (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", None)):
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, line


def test_the_words_of_the_code_are_plain(repository):
    files = {path for folder in FOLDERS for path in repository.glob(f"{folder}/**/*.py")}
    lines = [(path, *text) for path in sorted(files) for text in texts(path)]
    readme = repository / "README.md"
    lines += [(readme, number, line) for number, line in enumerate(readme.read_text().splitlines(), 1)]
    places = []
    for path, number, text in lines:
        name = path.relative_to(repository).as_posix()
        places += [f"{name}:{number}: {word}" for word in PATTERN.findall(text.lower()) if word not in ALLOWED.get(name, ())]
    assert places == [], "\n" + "\n".join(places)


def test_the_parser_knows_identifiers_and_strings(tmp_path):
    (tmp_path / "module.py").write_text('def tell_all():  # by now\n    """Nobody\n    as it comes."""\n    return f"{told}"\n')
    found = [(line, word) for line, text in texts(tmp_path / "module.py") for word in PATTERN.findall(text.lower())]
    assert found == [(1, "tell"), (1, "by now"), (2, "nobody"), (3, "as it comes"), (4, "told")]


def test_the_files_parse(repository):
    for folder in FOLDERS:
        for path in repository.glob(f"{folder}/**/*.py"):
            ast.parse(path.read_text())
