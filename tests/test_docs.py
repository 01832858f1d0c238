"""The docs are true: their code runs, their flows check, their commands exist, nothing is missing.

How a page (README.md, docs/*.md) marks its fenced blocks:

- `python` is run, from the top of the page to its end in one namespace, in an empty folder beside
  which only `examples/` lies. A block with `>>>` is a doctest: what it prints must match.
- `python no-run: why` is only compiled, and says why it is not run.
- `text output` right after a `python` block is exactly what that block prints.
- `yaml`, `json` and `toml` must at least be readable.
- `yaml flow` is checked as a flow; a warning is allowed, an error is not.
- `console`: each `$ connector …` line names a command and options that exist, `$ make …` a target.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import doctest
import inspect
import io
import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
import yaml

import connector
import connector.errors
import connector.hookspecs
import connector.model
from tests.loaded import the_catalog

ROOT = Path(__file__).parents[1]
PAGES = [
    page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))) if page.exists()
]
LANGUAGES = {"", "console", "html", "ini", "json", "python", "sh", "sql", "text", "toml", "yaml"}

each_page = pytest.mark.parametrize(
    "page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES]
)


class Block(NamedTuple):
    """One fenced block: `line` is that of its first line of text."""

    page: Path
    line: int
    info: str
    text: str

    @property
    def language(self) -> str:
        return self.info.split(" ")[0]

    @property
    def note(self) -> str:
        return self.info.partition(" ")[2].strip()

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Every fenced block of a page, also those indented below a list item."""
    found: list[Block] = []
    fence = indent = info = ""
    start = 0
    lines: list[str] = []
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        opened = re.match(r"^( *)(`{3,})(.*)$", line)
        if not fence and opened:
            indent, fence, info = opened[1], opened[2], opened[3].strip()
            start, lines = number + 1, []
        elif fence and line.strip() == fence:
            found.append(Block(page, start, info, "".join(f"{one}\n" for one in lines)))
            fence = ""
        elif fence:
            lines.append(line.removeprefix(indent))
    assert not fence, f"{page.name}: the block opened before line {start} is never closed"
    return found


def commands_of(block: Block) -> Iterator[list[str]]:
    """The words of each command after a `$`, up to a pipe, a redirection or a comment."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if not line.startswith("$ "):
            continue
        lexer = shlex.shlex(line[2:], posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in lexer:
            if set(word) <= set("|&;<>()"):
                yield words
                words = []
            else:
                words.append(word)
        yield words


class TestBlocks:
    @each_page
    def test_every_block_names_a_language_we_know(self, page: Path) -> None:
        unknown = {
            str(block): block.info for block in blocks_of(page) if block.language not in LANGUAGES
        }
        assert unknown == {}

    @each_page
    def test_every_block_that_is_not_run_says_why(self, page: Path) -> None:
        noted = [block for block in blocks_of(page) if block.language == "python" and block.note]
        assert [str(block) for block in noted if not re.match(r"no-run: \S{3,}", block.note)] == []

    @each_page
    def test_page_with_examples_has_one_that_is_checked(self, page: Path) -> None:
        shown = [
            block for block in blocks_of(page) if block.language in {"python", "yaml", "console"}
        ]
        assert not shown or any(is_checked(block) for block in shown)

    @each_page
    def test_python_runs(self, page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "examples").symlink_to(ROOT / "examples")
        monkeypatch.chdir(tmp_path)
        blocks = blocks_of(page)
        namespace: dict[str, Any] = {"__name__": "__docs__"}
        printed = None
        for block in blocks:
            if block.language == "python":
                printed = run_python(block, namespace)
            elif block.info == "text output":
                assert printed is not None, f"{block} follows no python block"
                assert printed == block.text, str(block)
            else:
                printed = None

    @each_page
    def test_flows_check(self, page: Path) -> None:
        for block in blocks_of(page):
            if block.info == "yaml flow":
                assert check_errors(block.text) == [], str(block)

    @each_page
    def test_data_can_be_read(self, page: Path) -> None:
        readers: dict[str, Callable[[str], Any]] = {
            "yaml": yaml.safe_load,
            "json": json.loads,
            "toml": tomllib.loads,
        }
        for block in blocks_of(page):
            if block.language in readers:
                try:
                    readers[block.language](block.text)
                except (ValueError, yaml.YAMLError) as error:
                    pytest.fail(f"{block}: {error}")

    @each_page
    def test_console_commands_exist(self, page: Path) -> None:
        for block in blocks_of(page):
            if block.language == "console":
                for words in commands_of(block):
                    check_command(block, words)


def run_python(block: Block, namespace: dict[str, Any]) -> str:
    """What a block prints; errors point at the line of the page."""
    if ">>>" in block.text and not block.note:
        return run_doctest(block, namespace)
    source = "\n" * (block.line - 1) + block.text
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(source, str(block.page), "exec", flags=flags, dont_inherit=True)
    if block.note:
        return ""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        result = eval(code, namespace)
        if inspect.iscoroutine(result):
            asyncio.run(result)
    return out.getvalue()


def run_doctest(block: Block, namespace: dict[str, Any]) -> str:
    parser = doctest.DocTestParser()
    test = parser.get_doctest(block.text, namespace, str(block), str(block.page), block.line - 1)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS, verbose=False)
        results = runner.run(test, clear_globs=False)
    namespace.update(test.globs)
    assert results.attempted, str(block)
    assert results.failed == 0, out.getvalue()
    return ""


def check_errors(text: str) -> list[str]:
    from connector.flow import check_flow

    return [
        str(issue) for issue in check_flow(text, the_catalog()).issues if issue.severity == "error"
    ]


def check_command(block: Block, words: list[str]) -> None:
    """`connector` and `make` lines must name what exists; other programs are the reader's."""
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if not words:
        return
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        asked = [word for word in words[1:] if "=" not in word]
        assert set(asked) <= set(targets), f"{block}: {words}"
    elif words[0].split("/")[-1] == "connector":
        check_connector(block, words[1:])


def check_connector(block: Block, words: list[str]) -> None:
    command = root_command()
    for word in words:
        subcommands = getattr(command, "commands", {})
        if word.startswith("-"):
            name = word.partition("=")[0]
            assert name in options_of(command), f"{block}: {' '.join(words)} has no option {name}"
        elif subcommands:
            assert word in subcommands, f"{block}: {' '.join(words)} names no command {word!r}"
            command = subcommands[word]


def root_command() -> Any:
    """The command line as typer built it."""
    import typer.main

    from connector.cli.app import app

    return typer.main.get_command(app)


def options_of(command: Any) -> set[str]:
    known = {"--help"}
    for param in command.params:
        known |= {*param.opts, *param.secondary_opts}
    return known


def all_commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(words, command) of every command that does something."""
    subcommands = getattr(command, "commands", {})
    if not subcommands:
        yield path, command
    for name, child in subcommands.items():
        if not child.hidden:
            yield from all_commands(child, (*path, name))


# --- nothing is left out ------------------------------------------------------------------------


def code_of(pages: list[Path]) -> str:
    """All that the pages write as code: fenced blocks and `inline`."""
    parts: list[str] = []
    for page in pages:
        parts += [block.text for block in blocks_of(page)]
        parts += re.findall(r"`([^`\n]+)`", page.read_text("utf-8"))
    return "\n".join(parts)


def hooks() -> list[str]:
    marked = f"{connector.hookspecs.PROJECT}_spec"
    return [name for name, thing in vars(connector.hookspecs).items() if hasattr(thing, marked)]


def error_classes() -> list[str]:
    found = vars(connector.errors).values()
    return [one.__name__ for one in found if inspect.isclass(one) and issubclass(one, Exception)]


def missing(names: list[str]) -> list[str]:
    code = code_of(PAGES)
    return [
        name for name in names if not re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", code)
    ]


class TestNothingIsLeftOut:
    def test_hooks(self) -> None:
        assert "register_apps" in hooks()
        assert missing(hooks()) == []

    def test_errors(self) -> None:
        assert "MappingError" in error_classes()
        assert missing(error_classes()) == []

    def test_field_types(self) -> None:
        assert missing(list(get_args(connector.model.FieldType))) == []

    def test_public_names(self) -> None:
        assert missing(list(connector.__all__)) == []

    def test_commands_and_their_options(self) -> None:
        commands = list(all_commands(root_command()))
        assert len(commands) > 5
        assert missing([f"connector {' '.join(words)}" for words, _ in commands]) == []
        options = {name for _, command in commands for name in options_of(command)}
        assert missing(sorted(name for name in options if name.startswith("--"))) == []


def is_checked(block: Block) -> bool:
    runs = block.language == "python" and not block.note
    return runs or block.info == "yaml flow" or block.language == "console"


def test_make_chaos_runs_each_proof_whole_unless_told_otherwise() -> None:
    """Its variables are those that tests read, each a longer form, and the caller's own win."""
    read = r'environ.get\("(CONNECTOR_CHAOS_[A-Z_]+)", "(\d+)"\)'
    short = {
        name: int(value)
        for file in (ROOT / "tests").rglob("test_*.py")
        for name, value in re.findall(read, file.read_text("utf-8"))
        if name != "CONNECTOR_CHAOS_SEED"
    }
    made = (ROOT / "Makefile").read_text("utf-8")
    whole = re.findall(r"^chaos: export (\w+) \?= (\d+)$", made, re.MULTILINE)
    assert {name for name, _ in whole} == short.keys()
    assert [name for name, value in whole if int(value) <= short[name]] == []
    assert len(whole) == made.count("CONNECTOR_CHAOS_")


def test_readme_and_docs_run_python_check_flows_and_name_commands() -> None:
    assert ROOT / "README.md" in PAGES
    assert len(PAGES) > 1
    checked = [block for page in PAGES for block in blocks_of(page) if is_checked(block)]
    assert {block.language for block in checked} >= {"python", "yaml", "console"}


class TestTheChecks:
    """The checks above find what they look for."""

    def page(self, folder: Path, text: str) -> Path:
        page = folder / "page.md"
        page.write_text(text, "utf-8")
        return page

    def test_block_keeps_its_place_and_note(self, tmp_path: Path) -> None:
        page = self.page(
            tmp_path, "# A\n\n- item\n\n  ```python no-run: needs a key\n  a = 1\n  ```\n"
        )
        assert blocks_of(page) == [Block(page, 6, "python no-run: needs a key", "a = 1\n")]

    def test_unclosed_block_is_found(self, tmp_path: Path) -> None:
        with pytest.raises(AssertionError, match="never closed"):
            blocks_of(self.page(tmp_path, "```python\na = 1\n"))

    def test_failing_line_is_named_by_its_place_in_the_page(self, tmp_path: Path) -> None:
        block = Block(tmp_path / "page.md", 7, "python", "a = 1\nb = nowhere\n")
        with pytest.raises(NameError) as caught:
            run_python(block, {})
        last = caught.traceback[-1]
        assert (str(last.path), last.lineno + 1) == (str(block.page), 8)

    def test_block_may_await_and_shares_names_with_the_next(self, tmp_path: Path) -> None:
        names: dict[str, Any] = {}
        first = "import asyncio\nawait asyncio.sleep(0)\na = 1\n"
        run_python(Block(tmp_path, 1, "python", first), names)
        assert run_python(Block(tmp_path, 9, "python", "print(a + 1)\n"), names) == "2\n"

    def test_block_that_is_not_run_must_still_be_python(self, tmp_path: Path) -> None:
        assert run_python(Block(tmp_path, 1, "python no-run: x", "nowhere()\n"), {}) == ""
        with pytest.raises(SyntaxError):
            run_python(Block(tmp_path, 1, "python no-run: x", "nowhere(\n"), {})

    def test_doctest_compares_what_it_prints(self) -> None:
        page = ROOT / "docs" / "page.md"
        run_python(Block(page, 1, "python", ">>> 1 + 1\n2\n"), {})
        with pytest.raises(AssertionError, match="Expected"):
            run_python(Block(page, 1, "python", ">>> 1 + 1\n3\n"), {})

    def test_commands_end_at_a_pipe_and_answers_are_not_commands(self, tmp_path: Path) -> None:
        text = "$ connector nodes --json | head -3\nconnector x\n$ make run ARGS=--once  # ends\n"
        found = list(commands_of(Block(tmp_path, 1, "console", text)))
        assert found == [
            ["connector", "nodes", "--json"],
            ["head", "-3"],
            ["make", "run", "ARGS=--once"],
        ]

    def test_unknown_make_target_is_found(self) -> None:
        block = Block(ROOT / "README.md", 1, "console", "")
        check_command(block, ["make", "run", "ARGS=--once"])
        with pytest.raises(AssertionError, match="nowhere"):
            check_command(block, ["make", "nowhere"])

    def test_unknown_connector_command_or_option_is_found(self) -> None:
        block = Block(ROOT / "README.md", 1, "console", "")
        check_command(block, ["connector", "nodes", "--json"])
        with pytest.raises(AssertionError, match="names no command 'nowhere'"):
            check_command(block, ["connector", "nowhere"])
        with pytest.raises(AssertionError, match="has no option --nowhere"):
            check_command(block, ["connector", "nodes", "--nowhere"])

    def test_wrong_flow_is_found(self) -> None:
        assert check_errors("flow: [") != []


class TestLinks:
    @each_page
    def test_links_within_the_house_lead_somewhere(self, page: Path) -> None:
        prose = re.sub(r"(?ms)^ *(`{3,}).*?^ *\1 *$", "", page.read_text("utf-8"))
        dead = []
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            place = (page.parent / name).resolve() if name else page
            if not place.exists() or (anchor and anchor not in anchors_of(place)):
                dead.append(target)
        assert dead == []


def anchors_of(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts derive them."""
    headings = re.findall(r"^#+ +(.+?) *$", page.read_text("utf-8"), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {one.replace(" ", "-") for one in plain}
