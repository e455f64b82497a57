"""A gRPC service whose users are logged in: it answers who calls, to whoever has a good token.

Run it beside a development server (`make run`): .venv/bin/python examples/grpc_service.py

It logs alice in, as a login service would, calls itself with her token, logs her out, and calls
again. With SERVE=1 it goes on serving until Ctrl-C.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.wrappers_pb2 import StringValue

from sessionstore import LocalVerifier, SessionClient
from sessionstore.integrations.grpc import SessionInterceptor, current_session

SERVICE = "example.Greeter"


def greet(_: Empty, __: grpc.ServicerContext) -> StringValue:
    """Greet whoever calls."""
    return StringValue(value=f"hello {current_session().user_id}")


def ping(_: Empty, __: grpc.ServicerContext) -> StringValue:
    """Answer anybody."""
    return StringValue(value="pong")


# What generated code has as add_GreeterServicer_to_server.
METHODS = {
    name: grpc.unary_unary_rpc_method_handler(
        behaviour, Empty.FromString, StringValue.SerializeToString
    )
    for name, behaviour in {"Greet": greet, "Ping": ping}.items()
}


def serve(verifier: LocalVerifier) -> tuple[grpc.Server, int]:
    """Start the service; its port."""
    interceptor = SessionInterceptor(verifier, open_methods={f"/{SERVICE}/Ping"})
    server = grpc.server(ThreadPoolExecutor(), interceptors=[interceptor])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, METHODS),))
    port = server.add_insecure_port(f"127.0.0.1:{os.environ.get('PORT', '0')}")
    server.start()
    return server, port


def call(port: int, method: str, token: str = "") -> str:
    """What the service answers, with a user's access token or without."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        send = channel.unary_unary(
            f"/{SERVICE}/{method}", Empty.SerializeToString, StringValue.FromString
        )
        metadata = (("authorization", f"Bearer {token}"),) if token else ()
        try:
            answer: str = send(Empty(), metadata=metadata, timeout=10).value
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
        return answer


def main() -> None:
    """Serve, and show what becomes of calls."""
    sessions = SessionClient(
        os.environ.get("SESSIONSTORE_ADDRESS", "127.0.0.1:7700"),
        token_file=os.environ.get("SESSIONSTORE_TOKEN_FILE", ".sessiond/dev.token"),
    )
    with sessions, LocalVerifier(sessions, audience="sessionstore") as verifier:
        server, port = serve(verifier)
        print(f"greeter on 127.0.0.1:{port}", flush=True)
        login = sessions.create("alice")  # yours: after the password check, elsewhere
        token = login.tokens.access_token
        print("without a token:", call(port, "Greet"), "| open method:", call(port, "Ping"))
        print("logged in:      ", call(port, "Greet", token))
        sessions.revoke(session_id=login.session.id)
        while (answer := call(port, "Greet", token)).startswith("hello"):
            time.sleep(0.01)  # the verifier hears of it in a moment
        print("logged out:     ", answer)
        if os.environ.get("SERVE"):
            server.wait_for_termination()
        server.stop(grace=1).wait()


if __name__ == "__main__":
    main()
