"""The code and the README are written in plain technical English: some words are not used."""

import io
import re
import tokenize

WORDS = (
    "told", "tell", "tells", "telling", "mend", "mends", "mended", "mending", "stranger", "strangers", "whoever", "somebody", "nobody",
    "as it comes", "put up with", "puts up with", "by now",
)  # fmt: skip
# Words that a file may use, and the reason.
ALLOWED = {
    "tests/test_words.py": WORDS,  # this list
    "workbench/sweep/processes.py": ("tell",),  # of a file
    "workbench/sweep/study.py": ("tell",),  # of an Optuna study
}
FOLDERS = ("workbench", "plugins/*/src", "benchmarks", "tests")
PATTERN = re.compile(rf"\b({'|'.join(WORDS)})\b")
TEXT = (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))


def spaced(identifier):
    """The words of an identifier: `read_ImageFile` -> `read Image File`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_+", " ", identifier)


def python_lines(text):
    """Numbered lines of comments, strings (docstrings, messages, help texts) and identifiers."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME or token.type in TEXT:
            for offset, line in enumerate(token.string.splitlines()):
                yield token.start[0] + offset, spaced(line)


def places(name, numbered):
    for number, line in numbered:
        for word in PATTERN.findall(line.lower()):
            if word not in ALLOWED.get(name, ()):
                yield f"{name}:{number}: {word}"


def test_plain_words_are_used(repository):
    readme = (repository / "README.md").read_text()
    wrong = [*places("README.md", enumerate(readme.splitlines(), 1))]
    for path in sorted({path for folder in FOLDERS for path in repository.glob(f"{folder}/**/*.py")}):
        wrong += places(path.relative_to(repository).as_posix(), python_lines(path.read_text()))
    assert not wrong, "\n".join(["write in plain technical English:", *wrong])


def test_names_comments_and_strings_are_read():
    code = 'def tell_all(nobodyKnows):  # by now\n    """Mends\n    what was told."""\n    return f"as it comes: {1}"\n'
    assert list(places("code.py", python_lines(code))) == [
        "code.py:1: tell",
        "code.py:1: nobody",
        "code.py:1: by now",
        "code.py:2: mends",
        "code.py:3: told",
        "code.py:4: as it comes",
    ]
