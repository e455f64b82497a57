"""Builds the use cases from the settings, the store and the keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sessiond.domain.profile import DEFAULT_PROFILE
from sessiond.jobs.stats import last_survey
from sessiond.service.adoption import Adopter
from sessiond.service.deletion import Deletion
from sessiond.service.explaining import Explainer
from sessiond.service.exporting import Exporter
from sessiond.service.figures import SessionFigures
from sessiond.service.importing import Importer
from sessiond.service.index_audit import IndexAudit
from sessiond.service.issuing import Issuer
from sessiond.service.jobs import Jobs
from sessiond.service.judging import Judge
from sessiond.service.key_rotation import KeyRotation
from sessiond.service.lifecycle import Lifecycle
from sessiond.service.live_feed import LiveFeed, Tail
from sessiond.service.operators import Operators
from sessiond.service.orphans import Orphans
from sessiond.service.policy import Policies
from sessiond.service.purging import Purger
from sessiond.service.reading import Reader
from sessiond.service.reassertion import Reassertion
from sessiond.service.revocation import Revoker
from sessiond.service.sessions import Sessions
from sessiond.service.statistics import Statistician
from sessiond.service.validation import Validator
from sessiond.service.watching import Watching, WatchLimits
from sessiond.settings import Settings, milliseconds
from sessiond.store.audit import AuditStore
from sessiond.store.explanation import ExplanationStore
from sessiond.store.job_ledger import JobLedger
from sessiond.store.log import LogStore
from sessiond.store.maintenance import Maintenance
from sessiond.store.replica_wait import ReplicaWait
from sessiond.store.script_set import ScriptSet
from sessiond.store.scripts import Store
from sessiond.store.statistics import StatisticsStore
from sessiond.store.transfer import TransferStore
from sessiond.store.walk import UserWalk
from sessiond.tokens.access import AccessTokens
from sessiond.tokens.external_ids import ExternalIds
from sessiond.tokens.keyring import KeyRing
from sessiond.tokens.refresh import RefreshTokens


class UseCases:
    """Those of one server; what several need is made once."""

    def __init__(
        self,
        settings: Settings,
        scripts: ScriptSet,
        make_tail: Callable[[], Tail],
        replicas: ReplicaWait | None,
        ring: KeyRing,
    ) -> None:
        self._settings = settings
        self._replicas = replicas
        self._ring = ring
        self.figures: Final = SessionFigures()
        self.store: Final = Store(scripts)
        self.reassertion: Final = Reassertion(self.store)
        self.ledger: Final = JobLedger(scripts)
        self._maintenance = Maintenance(scripts)
        self._transfer = TransferStore(scripts)
        self._audited = AuditStore(
            scripts,
            settings.all_profiles().values(),
            request_ttl_ms=milliseconds(settings.request_id_lifetime),
        )
        self._walk = UserWalk(scripts)
        self._policies = Policies(settings.all_profiles())
        self._refresh_tokens = RefreshTokens(ring)
        self._access_tokens = AccessTokens(
            ring,
            settings.issuer,
            settings.audience,
            milliseconds(settings.access_token_lifetime),
            leeway_s=ring.lifetimes.leeway_s,
        )
        self._grace_ms = milliseconds(settings.grace_time)
        self._judge = Judge(self._access_tokens, self._refresh_tokens, grace_ms=self._grace_ms)
        self._explainer = Explainer(
            ExplanationStore(scripts), self._judge, leeway_ms=scripts.ends.leeway_ms
        )
        self._external_ids = ExternalIds(ring)
        self.statistician: Final = Statistician(
            StatisticsStore(scripts),
            self._walk,
            cap=settings.all_profiles()[DEFAULT_PROFILE].cap,
            last_survey=last_survey(self.ledger),
        )
        self.orphans: Final = Orphans(self.store, self._maintenance, self._walk)
        self.watching: Final = Watching(
            LogStore(scripts),
            LiveFeed(make_tail),
            WatchLimits(settings.max_watchers, settings.watch_backlog, settings.watch_max_age),
        )

    def sessions(self) -> Sessions:
        """What callers do."""
        request_ttl_ms = milliseconds(self._settings.request_id_lifetime)
        issuer = Issuer(self._access_tokens, self._refresh_tokens)
        return Sessions(
            policies=self._policies,
            lifecycle=Lifecycle(
                self.store,
                self._policies,
                issuer,
                self._refresh_tokens,
                reassertion=self.reassertion,
                figures=self.figures,
                grace_ms=self._grace_ms,
                request_ttl_ms=request_ttl_ms,
            ),
            adopter=Adopter(
                self._transfer,
                self._external_ids,
                issuer,
                self._refresh_tokens,
                request_ttl_ms=request_ttl_ms,
            ),
            validator=Validator(
                self.store,
                self._judge,
                figures=self.figures,
                activity_ms=milliseconds(self._settings.activity_interval),
            ),
            reader=Reader(self.store),
            revoker=Revoker(
                self.store, self.reassertion, self._replicas, request_ttl_ms=request_ttl_ms
            ),
            refresh_tokens=self._refresh_tokens,
            ring=self._ring,
            watching=self.watching,
        )

    def operators(self, jobs: Jobs) -> Operators:
        """What operators do."""
        return Operators(
            statistician=self.statistician,
            explainer=self._explainer,
            purger=Purger(self._maintenance, self._walk),
            deletion=Deletion(self._maintenance),
            index_audit=IndexAudit(self._audited),
            jobs=jobs,
            importer=Importer(
                self._transfer, self._policies, self._external_ids, self._refresh_tokens
            ),
            exporter=Exporter(self.store, self._transfer, self._walk),
            key_rotation=KeyRotation(self._ring),
        )
