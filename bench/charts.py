"""The charts of bench/RESULTS.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import matplotlib as mpl
from matplotlib import pyplot as plt

mpl.use("Agg")

_FOLDER: Final = Path(__file__).resolve().parent
_COLOURS: Final = ("#1f5f8b", "#e08e45", "#9a9a9a")
_DPI: Final = 110


class _Sizes(Protocol):
    @property
    def layout(self) -> str: ...
    @property
    def small(self) -> float: ...
    @property
    def full(self) -> float: ...


def draw_memory(rows: Sequence[_Sizes]) -> None:
    """Bytes per session by layout, as memory.png."""
    figures = {
        "small set of fields": [row.small for row in rows],
        "all fields": [row.full for row in rows],
    }
    labels = [row.layout.replace(", engine", ",\nengine") for row in rows]
    _save(_bars(labels, figures, "bytes per session in the engine")[0], "memory.png")


def draw_calls(
    operations: Sequence[str], figures: Mapping[str, Sequence[float]], no_op: float
) -> None:
    """CPU per call by operation, beside that of a no-op, in microseconds, as cpu.png."""
    labels = [
        name.replace("BatchValidate of 100", "BatchValidate,\nper session") for name in operations
    ]
    labels = [name.replace(", ", ",\n") for name in labels]
    figure, axes = _bars(labels, figures, "server CPU per call, microseconds")
    axes.axvline(no_op, color="black", linestyle="--", linewidth=0.8, label="a no-op RPC")
    axes.legend(fontsize=8, frameon=False)
    _save(figure, "cpu.png")


def _bars(
    labels: Sequence[str], figures: Mapping[str, Sequence[float]], axis: str
) -> tuple[Any, Any]:
    """Horizontal bars, one group a label, with their values."""
    thickness = 0.8 / len(figures)
    figure, axes = _axes(0.45 + len(labels) * (0.16 + 0.2 * len(figures)))
    for i, (what, values) in enumerate(figures.items()):
        places = [n + (i - (len(figures) - 1) / 2) * thickness for n in range(len(labels))]
        bars = axes.barh(places, values, thickness, label=what, color=_COLOURS[i])
        axes.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=7)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set_xlabel(axis, fontsize=8)
    axes.legend(fontsize=8, frameon=False)
    return figure, axes


def draw_scale(sizes: Sequence[int], panels: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """CPU per call by number of live sessions, one panel for each process, as scale.png."""
    figure, every = plt.subplots(1, len(panels), figsize=(9, 3.6), dpi=_DPI)
    for axes, (what, lines) in zip(every, panels.items(), strict=True):
        for label, values in lines.items():
            axes.plot(sizes, values, marker="o", markersize=3, linewidth=1.2, label=label)
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("live sessions", fontsize=8)
        axes.set_ylabel(what, fontsize=8)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    every[-1].legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    _save(figure, "scale.png")


def _axes(height: float) -> tuple[Any, Any]:
    figure, axes = plt.subplots(figsize=(8, height), dpi=_DPI)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(_FOLDER / name)
    plt.close(figure)
