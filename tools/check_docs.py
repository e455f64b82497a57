"""Hold the reference tables of docs/ against the code that they describe; --write mends them.

Checked: every setting in docs/configuration.md, every reason and its status in docs/errors.md,
every RPC and its role in docs/api.md, every script in docs/keyspace.md, every metric, every
alert and every log line in docs/operations.md, every relative link, and every test that is named.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import yaml
from pydantic.fields import FieldInfo

from log_events import log_events
from sessiond.ops.metrics.catalogue import CATALOGUE
from sessiond.rpc.errors import CODES
from sessiond.rpc.methods import ROLES
from sessiond.settings import GROUPS, Group, Settings, variable
from sessiond.settings.writing import word
from sessiond.store.loader import SCRIPT_NAMES

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"


def default_of(field: FieldInfo) -> str:
    """A field's default as one writes it in a setting."""
    default = field.get_default(call_default_factory=True)
    return "" if default is None else f"`{word(default)}`"


def settings_table(group: Group) -> Iterable[str]:
    """Each setting of a group."""
    yield "| variable | default | meaning |"
    yield "|---|---|---|"
    for name in group.settings:
        field = Settings.model_fields[name]
        yield f"| `{variable(name)}` | {default_of(field)} | {field.description} |"


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


def metrics_table() -> Iterable[str]:
    """Each metric."""
    yield "| metric | type | labels | meaning |"
    yield "|---|---|---|---|"
    for metric in CATALOGUE:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.meaning} |"


def alerts_table() -> Iterable[str]:
    """Each alert, from its rule."""
    yield "| alert | severity | what is the matter | what to do |"
    yield "|---|---|---|---|"
    for group in yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            texts = rule["annotations"]
            severity, matter = rule["labels"]["severity"], texts["summary"]
            yield f"| `{rule['alert']}` | {severity} | {matter} | {texts['description']} |"


TABLES: dict[str, tuple[str, Callable[[], Iterable[str]]]] = {
    **{
        f"settings: {group.name}": ("configuration.md", partial(settings_table, group))
        for group in GROUPS
    },
    "errors": ("errors.md", errors_table),
    "roles": ("api.md", roles_table),
    "scripts": ("keyspace.md", scripts_table),
    "metrics": ("operations.md", metrics_table),
    "alerts": ("operations.md", alerts_table),
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


def check_log_events() -> list[str]:
    """Compare the table of log lines, whose meanings are written there, with what is logged."""
    logged = log_events(ROOT / "server/sessiond")
    text = (DOCS / "operations.md").read_text()
    table = text.partition("<!-- log -->")[2].partition("<!-- end log -->")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \|", table, re.MULTILINE)
    told = dict(rows)
    problems = [
        f"docs/operations.md: log line {name}: {logged.get(name, 'is never written')}"
        for name in sorted(logged.keys() | told.keys())
        if logged.get(name) != told.get(name)
    ]
    if len(rows) > len(told):
        problems.append("docs/operations.md: a log line is there twice")
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
        for file, name in re.findall(r"`(tests/[^`:]+)::([^`]+)`", path.read_text())
        if not (ROOT / file).is_file() or f"def {name}(" not in (ROOT / file).read_text()
    ]


if __name__ == "__main__":
    found_problems = [
        *check_tables(write="--write" in sys.argv[1:]),
        *check_log_events(),
        *check_links(),
        *check_tests(),
    ]
    if found_problems:
        sys.exit("\n".join(found_problems))
