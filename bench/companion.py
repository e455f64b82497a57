"""A process of its own that is asked over a pipe."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from answers import WrongAnswerError

_STOP_TIMEOUT_S: Final = 10.0


class Companion:
    """A process that lasts as long as the context; it ends when its pipe does.

    Args:
        work: what it does; it takes its end of the pipe, and the arguments.
        arguments: for the work.
    """

    def __init__(self, work: Callable[..., None], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, self._theirs = context.Pipe()
        self._process = context.Process(target=work, args=(self._theirs, *arguments), daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._process.start()
        self._theirs.close()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """End."""
        self._ours.close()
        self._process.join(_STOP_TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def tell(self, message: object) -> None:
        """Say something that is not answered.

        Raises:
            WrongAnswerError: the process has failed, and has told why.
        """
        try:
            self._ours.send(message)
        except OSError:
            raise self._failed() from None

    def ask(self, question: object = None) -> Any:
        """Its answer to a question.

        Raises:
            WrongAnswerError: the process has failed, and has told why.
        """
        self.tell(question)
        try:
            return self._ours.recv()
        except (EOFError, OSError):
            raise self._failed() from None

    def _failed(self) -> WrongAnswerError:
        return WrongAnswerError(f"the process {self._process.name} has failed")
