"""Generate client/sessionstore/v1 from proto/, or with --check say whether it has drifted.

Runs in the environment of tools/proto-requirements.txt, see `make proto`.
"""

from __future__ import annotations

import filecmp
import importlib.resources
import shutil
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "proto"
STUBS = ROOT / "client" / "sessionstore" / "v1"


def generate(out: Path) -> None:
    """Write the stubs of every proto file below `out`."""
    plugins = Path(sys.executable).parent
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    files = sorted(str(p.relative_to(PROTO)) for p in PROTO.rglob("*.proto"))
    arguments = [
        "protoc",
        f"-I{PROTO}",
        f"-I{well_known}",
        f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
        f"--python_out={out}",
        f"--mypy_out=quiet:{out}",
    ]
    services = [f for f in files if "\nservice " in (PROTO / f).read_text()]
    if protoc.main([*arguments, *files]):
        raise SystemExit("protoc failed")
    grpc_arguments = [f"--grpc_python_out={out}", f"--mypy_grpc_out=quiet:{out}"]
    if protoc.main([*arguments, *grpc_arguments, *services]):
        raise SystemExit("protoc failed")


def main() -> None:
    """Replace the committed stubs, or compare with them."""
    with tempfile.TemporaryDirectory() as tmp:
        generate(Path(tmp))
        fresh = Path(tmp) / "sessionstore" / "v1"
        names = {p.name for p in fresh.iterdir()}
        committed = {p.name for p in STUBS.glob("*_pb2*")}
        if sys.argv[1:] == ["--check"]:
            _, differing, missing = filecmp.cmpfiles(fresh, STUBS, names, shallow=False)
            drift = sorted({*differing, *missing, *(committed - names)})
            if drift:
                raise SystemExit(f"drifted from proto/, run `make proto`: {', '.join(drift)}")
            return
        for name in committed - names:
            (STUBS / name).unlink()
        for path in fresh.iterdir():
            shutil.copy(path, STUBS / path.name)


if __name__ == "__main__":
    main()
