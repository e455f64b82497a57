"""What a package writes to its log, as its source says: the names of lines and their levels."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

LEVELS = ("debug", "info", "warning", "error")
_LOGGERS = {"log", "_log", "get_logger"}


def log_events(package: Path) -> dict[str, str]:
    """The levels of each event, the mildest first.

    Raises:
        ValueError: a line is not given its name where it is written.
    """
    levels: dict[str, set[str]] = defaultdict(set)
    for path in sorted(package.rglob("*.py")):
        for name, level in _lines(ast.parse(path.read_text())):
            if not name:
                raise ValueError(f"{path}: a log line without a name")
            levels[name].add(level)
    return {name: ", ".join(sorted(of, key=LEVELS.index)) for name, of in levels.items()}


def _lines(module: ast.Module) -> Iterator[tuple[str, str]]:
    """The name and level of each line: a call of a logger's method, or one that is handed it."""
    variables = {
        ast.unparse(target): node.value
        for node in ast.walk(module)
        if isinstance(node, ast.Assign)
        for target in node.targets
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            called = variables.get(ast.unparse(node.func), node.func)
            names = [each.value for each in node.args if isinstance(each, ast.Constant)]
            for method in (called, *node.args):
                for level in _levels(method):
                    yield str(names[0]) if names else "", level


def _levels(method: ast.expr) -> set[str]:
    """At which levels this logs; empty if it is no method of a logger."""
    if isinstance(method, ast.IfExp):
        return _levels(method.body) | _levels(method.orelse)
    if isinstance(method, ast.Attribute) and method.attr in LEVELS:
        logger = method.value.func if isinstance(method.value, ast.Call) else method.value
        if ast.unparse(logger).rpartition(".")[2] in _LOGGERS:
            return {method.attr}
    return set()
