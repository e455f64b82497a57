"""A real Prometheus that scrapes a real server."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import grpc
import pytest

from sessiond.ops import census
from sessionstore.v1 import session_service_pb2 as pb
from tests.engines import require
from tests.ops.deployed import ask, queries, watching
from tests.rpc.conftest import ServeWith
from tests.rpc.serving import Server, eventually
from tests.rpc.watching import watched

FILLED = {"$__rate_interval": "1m", "$job": "sessiond", "$instance": ".+"}
"""What Grafana puts for the variables."""


def use(server: Server) -> None:
    """A little of everything, and something that goes wrong."""
    api = server.api()
    made = api.call(pb.CreateSessionRequest(user_id="alice"))
    api.call(pb.RefreshSessionRequest(refresh_token=made.tokens.refresh_token))
    api.call(pb.ValidateSessionRequest(session_id=made.session.session_id))
    api.call(pb.RevokeSessionRequest(session_id=made.session.session_id))
    with pytest.raises(grpc.RpcError):
        api.call(pb.GetSessionRequest(session_id="x"))


def run_stats(server: Server) -> None:
    """Run the job to its end."""
    admin = server.admin()
    before = admin.jobs()["stats"].last_success_time
    admin.run_job("stats")
    eventually(lambda: admin.jobs()["stats"].last_success_time != before)


def grafana_asks(query: str) -> str:
    """A query of the dashboard, with its variables filled in."""
    for name, value in FILLED.items():
        query = query.replace(name, value)
    return query


def test_every_query_of_the_dashboard_finds_something(
    serve_with: ServeWith, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And every rule can be evaluated: none fires where all is well.

    There are no workers here; what is asked of them, tests/workers see.
    """
    require(None if shutil.which("prometheus") else "prometheus is not there")
    monkeypatch.setattr(census, "_INTERVAL_S", 0.2)
    first = serve_with()
    run_stats(first)
    server = serve_with(
        key_prefix=first.settings.key_prefix, ops_listen="127.0.0.1:0", job_jitter="0s"
    )
    watch = watched(server)
    with watching(tmp_path, server.app.ops_address) as prometheus:

        def scraped(calls: int) -> bool:
            query = 'grpc_server_started_total{grpc_method="GetSession"}'
            found = ask(prometheus, "query", query=query)["result"]
            return bool(found) and float(found[0]["value"][1]) >= calls

        eventually(lambda: scraped(0))
        for calls in (1, 2):
            use(server)
            run_stats(server)
            eventually(partial(scraped, calls))
        ended = 'sessiond_fleet_sessions_ended_total{reason="revoked"} == 2'
        eventually(lambda: ask(prometheus, "query", query=ended)["result"])
        asked = {
            title: grafana_asks(query)
            for title, query in queries()
            if not title.startswith("variable") and "sessiond_worker" not in query
        }
        results = {
            title: ask(prometheus, "query", query=query)["result"] for title, query in asked.items()
        }
        assert not [asked[title] for title, result in results.items() if not result]
        for group in ask(prometheus, "rules")["groups"]:
            assert {rule["name"]: rule.get("lastError") for rule in group["rules"]} == {
                rule["name"]: None for rule in group["rules"]
            }
        alerts = ask(prometheus, "alerts")["alerts"]
        assert not [alert["labels"] for alert in alerts if alert["state"] == "firing"]
    watch.close()
