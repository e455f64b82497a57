"""Hold the reference tables of docs/ against the code that they describe; --write mends them.

Checked: every setting in docs/configuration.md, every reason and its status in docs/errors.md,
every RPC and its role in docs/api.md, every script in docs/keyspace.md, every relative link, and
every test that is named.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from enum import Enum
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from sessiond.rpc.errors import CODES
from sessiond.rpc.methods import ROLES
from sessiond.settings import ENV_PREFIX, Settings
from sessiond.store.loader import SCRIPT_NAMES

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def duration(value: timedelta) -> str:
    """A duration as one writes it in a setting."""
    seconds = value.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def default_of(field: FieldInfo) -> str:
    """A field's default as one writes it in a setting."""
    value = field.default
    if value is PydanticUndefined:
        return "`{}`"
    if value is None:
        return ""
    if isinstance(value, timedelta):
        value = duration(value)
    elif isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, Enum):
        value = value.value
    return f"`{value}`"


def settings_table() -> Iterable[str]:
    """Each setting."""
    yield "| variable | default | meaning |"
    yield "|---|---|---|"
    for name, field in Settings.model_fields.items():
        yield f"| `{ENV_PREFIX}{name.upper()}` | {default_of(field)} | {field.description} |"


def errors_table() -> Iterable[str]:
    """Each error reason."""
    text = (ROOT / "proto/sessionstore/v1/error_reason.proto").read_text()
    meanings = {
        match[2]: " ".join(line.strip().removeprefix("//").strip() for line in match[1].split("\n"))
        for match in re.finditer(
            r"((?:^  //.*\n)+?)  //\n(?:  //.*\n)+  ERROR_REASON_(\w+) =", text, re.MULTILINE
        )
    }
    yield "| reason | status | meaning |"
    yield "|---|---|---|"
    for reason, code in CODES.items():
        status, _, meaning = meanings[reason.value].strip().partition(". ")
        further = status.removeprefix(code.name)
        if further == status:
            sys.exit(f"error_reason.proto: the comment of {reason} does not start with {code.name}")
        yield f"| `{reason}` | {code.name}{further} | {meaning} |"


def roles_table() -> Iterable[str]:
    """Each RPC."""
    yield "| RPC | role |"
    yield "|---|---|"
    for method, role in ROLES.items():
        yield f"| {method.rpartition('/')[2]} | {role.name.lower()} |"


def scripts_table() -> Iterable[str]:
    """Each script, with the first sentence of its header."""
    yield "| script | what it does |"
    yield "|---|---|"
    for name in SCRIPT_NAMES:
        source = (ROOT / f"server/sessiond/store/lua/{name}.lua").read_text()
        lines: list[str] = []
        for line in source.splitlines():
            if not line.startswith("-- ") or line.startswith("-- include:"):
                break
            lines.append(line.removeprefix("-- "))
        yield f"| `{name}.lua` | {' '.join(lines)} |"


TABLES: dict[str, tuple[str, Callable[[], Iterable[str]]]] = {
    "settings": ("configuration.md", settings_table),
    "errors": ("errors.md", errors_table),
    "roles": ("api.md", roles_table),
    "scripts": ("keyspace.md", scripts_table),
}


def check_tables(*, write: bool) -> list[str]:
    """Compare each table with its source."""
    problems = []
    for name, (file, table) in TABLES.items():
        path = DOCS / file
        text = path.read_text()
        fresh = f"<!-- {name} -->\n" + "\n".join(table()) + f"\n<!-- end {name} -->"
        block = re.compile(f"<!-- {name} -->\n.*?<!-- end {name} -->", re.DOTALL)
        found = block.search(text)
        if found and found[0] == fresh:
            continue
        if found and write:
            path.write_text(text.replace(found[0], fresh))
            continue
        problems.append(
            f"docs/{file}: the table of {name} is stale, run tools/check_docs.py --write"
        )
    return problems


def check_links() -> list[str]:
    """Follow every relative link of the Markdown files."""
    return [
        f"{path.relative_to(ROOT)}: no such file: {target}"
        for path in (*ROOT.glob("*.md"), *DOCS.rglob("*.md"))
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text())
        if not (path.parent / target).exists()
    ]


def check_tests() -> list[str]:
    """Look for every test that a page names as FILE::NAME."""
    return [
        f"{path.relative_to(ROOT)}: no such test: {file}::{name}"
        for path in DOCS.rglob("*.md")
        for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", path.read_text())
        if not (ROOT / file).is_file() or f"def {name}(" not in (ROOT / file).read_text()
    ]


if __name__ == "__main__":
    found_problems = check_tables(write="--write" in sys.argv[1:]) + check_links() + check_tests()
    if found_problems:
        sys.exit("\n".join(found_problems))
