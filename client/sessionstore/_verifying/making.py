"""Where the extra `[verify]` is first needed: `import sessionstore` does without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sessionstore._verifying.rules import Rules
from sessionstore._verifying.steady import steady_s

if TYPE_CHECKING:
    from sessionstore._verifying.judge import Judge

_NEEDED = {"jwt", "cryptography"}


def make_judge(rules: Rules) -> Judge:
    """A judge that knows nothing yet.

    Raises:
        ImportError: the extra is not installed.
    """
    try:
        import cryptography  # noqa: F401, PLC0415  pyjwt alone installs, and verifies nothing

        from sessionstore._verifying.judge import Judge  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name not in _NEEDED:
            raise
        message = "verifying tokens needs pyjwt[crypto]: pip install 'sessionstore[verify]'"
        raise ImportError(message) from error
    return Judge(rules, steady_s)
