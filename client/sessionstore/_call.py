"""One call of a service: what is sent, and how its answer is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Self, TypeVar

from sessionstore._requests import new_request_id

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One call, ready to be sent, and sent again."""

    method: str
    request: Any = field(repr=False)
    read: Callable[[Any], T]
    request_id: str = field(default_factory=new_request_id)


@dataclass(frozen=True, slots=True)
class Stream(Call[T]):
    """A call that is answered by many messages; its request may be an iterator of many, too."""

    resumable: bool = False
    """Whether request and answers carry a `resume_token`."""

    def after(self, answer: Any) -> Self:
        """The call that goes on behind an answer; the same one where that cannot be."""
        if not self.resumable:
            return self
        request = type(self.request)()
        request.CopyFrom(self.request)
        request.resume_token = answer.resume_token
        return replace(self, request=request)

    @property
    def continues(self) -> bool:
        """Whether it goes on from a known place: to send it again repeats nothing."""
        return self.resumable and bool(self.request.resume_token)
