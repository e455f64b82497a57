#!/usr/bin/env bash
# A session's life by `buf curl` (pip install buf-bin), against a development server: `make run`, then this.
# The schema is that of proto/; a server that serves reflection, as in development mode, needs no --schema.
set -euo pipefail

address=${SESSIONSTORE_ADDRESS:-127.0.0.1:7700}
token_file=${SESSIONSTORE_TOKEN_FILE:-.sessiond/dev.token}
protos=$(dirname "$0")/../proto

# call RPC REQUEST: the response, as JSON. No token is on a command line, which others can see.
call() {
  buf curl --schema "$protos" --protocol grpc --http2-prior-knowledge \
    --header @<(printf 'authorization: Bearer %s\n' "$(<"$token_file")") \
    --data @<(printf %s "$2") "http://$address/sessionstore.v1.SessionService/$1"
}

# field NAME: the first string of that name in a JSON text.
field() {
  sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | head -n 1
}

login=$(call CreateSession '{"userId": "alice", "client": {"userAgent": "curl"}}')
id=$(field sessionId <<<"$login")
echo "logged in:   session $id until $(field expireTime <<<"$login")"

refresh_token=$(field refreshToken <<<"$login")
refreshed=$(call RefreshSession "{\"refreshToken\": \"$refresh_token\"}")
echo "refreshed:   session $(field sessionId <<<"$refreshed"), $(field outcome <<<"$refreshed")"

access_token=$(field accessToken <<<"$refreshed")
verdict=$(call ValidateSession "{\"accessToken\": \"$access_token\"}" | field verdict)
echo "validated:   $verdict"

call RevokeSession "{\"sessionId\": \"$id\"}" >/dev/null
verdict=$(call ValidateSession "{\"accessToken\": \"$access_token\"}" | field verdict)
echo "logged out:  $verdict"

# The exit status of a refused call is eight times its gRPC status: 72 is FAILED_PRECONDITION.
status=0
call RefreshSession "{\"refreshToken\": \"$refresh_token\"}" 2>/dev/null || status=$?
echo "refused:     exit status $status"
