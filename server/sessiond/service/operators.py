"""All use cases of operators, together."""

from __future__ import annotations

from dataclasses import dataclass

from sessiond.service.deletion import Deletion
from sessiond.service.explaining import Explainer
from sessiond.service.exporting import Exporter
from sessiond.service.importing import Importer
from sessiond.service.index_audit import IndexAudit
from sessiond.service.jobs import Jobs
from sessiond.service.key_rotation import KeyRotation
from sessiond.service.purging import Purger
from sessiond.service.statistics import Statistician


@dataclass(frozen=True, slots=True)
class Operators:
    """What AdminService calls."""

    statistician: Statistician
    explainer: Explainer
    purger: Purger
    deletion: Deletion
    index_audit: IndexAudit
    jobs: Jobs
    importer: Importer
    exporter: Exporter
    key_rotation: KeyRotation
