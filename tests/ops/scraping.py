"""What Prometheus gets to see."""

from __future__ import annotations

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, ...], float]


def scrape(address: str) -> Samples:
    """Every sample that a server shows, by its name and the values of its labels."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        return parsed(answer.read())


def parsed(text: bytes) -> Samples:
    """Every sample of a text, by its name and the values of its labels, sorted by label name."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }
