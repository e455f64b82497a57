"""Reads the reply to INFO."""

from __future__ import annotations


def parsed(reply: bytes | dict[str, object]) -> dict[str, str]:
    """Its fields. redis-py's clients give them as they like; connections give the text."""
    if isinstance(reply, dict):
        return {key: str(value) for key, value in reply.items()}
    lines = reply.decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
