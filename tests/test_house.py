"""Sizes that a reader can hold: modules, functions, parameters."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("registries", "records", "architectures", "pruners", "datasets", "bench", "leaderboards")
LINES, BODY, PARAMETERS = 300, 60, 6
REGISTRATION = {"pruner", "recipe", "architecture", "metric", "split"}
"""Decorators that register entries: their parameters are declarations, those of entries the options of a user."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def functions() -> Iterator[tuple[str, Function]]:
    for name, text in sources():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, Function):
                yield f"{name}:{node.lineno} {node.name}", node


def body_lines(node: Function) -> int:
    """Lines of the body without the docstring."""
    statements = node.body[1:] if ast.get_docstring(node) else node.body
    return (node.end_lineno or 0) - statements[0].lineno + 1 if statements else 0


def registers(node: Function) -> bool:
    """Whether it is a decorator that registers entries, or an entry."""
    called = [d.func for d in node.decorator_list if isinstance(d, ast.Call)]
    return node.name in REGISTRATION or any(isinstance(f, ast.Name) and f.id in REGISTRATION for f in called)


def test_modules_are_short():
    assert [name for name, text in sources() if text.count("\n") > LINES] == []


def test_functions_are_short():
    assert [name for name, node in functions() if body_lines(node) > BODY] == []


def test_parameters_are_few():
    def number(node: Function) -> int:
        names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
        return len(names) + len(node.args.kwonlyargs) - (names[:1] in (["self"], ["cls"]))

    many = [name for name, node in functions() if number(node) > PARAMETERS and not registers(node)]
    assert many == []


def test_every_folder_of_the_suite_says_what_it_is():
    folders = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    silent = [folder for folder in folders if not ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))]
    assert silent == []
