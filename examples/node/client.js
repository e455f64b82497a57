// A client of SessionService by @grpc/grpc-js and the protos: what a backend in Node needs.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import { reasonOf } from "./reasons.js";

const PROTOS = process.env.SESSIONSTORE_PROTOS ?? fileURLToPath(new URL("../../proto", import.meta.url));
const SERVICE = "sessionstore.v1.SessionService";
const TIMEOUT_MS = 5000;

const RETRY_POLICY = {
  maxAttempts: 5,
  initialBackoff: "0.05s",
  maxBackoff: "1s",
  backoffMultiplier: 4,
  // CANCELLED: a server that stops takes no new call any more, and gRPC drops those that had come.
  retryableStatusCodes: ["UNAVAILABLE", "CANCELLED"],
};

/** A refused call: `code` is the gRPC status, `reason` the name of an ErrorReason, or "". */
export class SessionError extends Error {
  constructor(error) {
    super(error.details);
    this.code = grpc.status[error.code];
    const info = reasonOf(error.metadata);
    this.reason = info.reason;
    this.metadata = info.metadata;
  }
}

/**
 * Connect to sessiond: an object with a method for each unary RPC (`createSession(request)`, ...),
 * each a promise of the response, and `close()`.
 *
 * @param {string} address "host:port"
 * @param {string} tokenFile the service token of this backend, read for each call, as it is renewed
 * @param {Buffer=} authority PEM certificates to verify the server by; in plaintext without them
 */
export function connect(address, tokenFile, authority) {
  const definition = protoLoader.loadSync("sessionstore/v1/session_service.proto", {
    includeDirs: [PROTOS],
    enums: String,
    longs: String,
    defaults: true,
    oneofs: true,
  });
  const methods = Object.entries(definition[SERVICE]).filter(([, method]) => !method.responseStream);
  const retried = methods.map(([name]) => ({ service: SERVICE, method: name }));
  const client = new grpc.Client(
    address,
    authority ? grpc.credentials.createSsl(authority) : grpc.credentials.createInsecure(),
    {
      "grpc.service_config": JSON.stringify({
        methodConfig: [{ name: retried, retryPolicy: RETRY_POLICY }],
      }),
      "grpc.keepalive_time_ms": 15_000,
    },
  );
  const calls = methods.map(([, method]) => [
    method.originalName,
    (request) => call(client, method, request, tokenFile),
  ]);
  return { ...Object.fromEntries(calls), close: () => client.close() };
}

function call(client, method, request, tokenFile) {
  const metadata = new grpc.Metadata();
  metadata.set("authorization", `Bearer ${readFileSync(tokenFile, "utf8").trim()}`);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadata,
      { deadline: Date.now() + TIMEOUT_MS },
      (error, response) => (error ? reject(new SessionError(error)) : resolve(response)),
    );
  });
}
