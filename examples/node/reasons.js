// Why a call was refused: google.rpc.ErrorInfo, which comes in the trailers (AIP-193).

import protobuf from "protobufjs";

const DETAILS = "grpc-status-details-bin";
const { root } = protobuf.parse(`
  syntax = "proto3";
  package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
`);
const Status = root.lookupType("google.rpc.Status");
const ErrorInfo = root.lookupType("google.rpc.ErrorInfo");

/** The reason and what else it says, both empty if the answer is not the service's own. */
export function reasonOf(trailers) {
  const [packed] = trailers.get(DETAILS);
  const details = packed ? Status.decode(packed).details : [];
  const info = details.find((detail) => detail.typeUrl.endsWith("/google.rpc.ErrorInfo"));
  return info ? ErrorInfo.decode(info.value) : { reason: "", metadata: {} };
}
