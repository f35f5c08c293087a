#!/bin/bash
# Starts the reference notary-server in the foreground, configured from the
# environment the harness gives to START_SERVER_CMD:
#   TRUST_LISTEN            127.0.0.1:PORT to listen on (TLS)
#   TRUST_TLS_CERT/_KEY/_CA server certificate, key, and their CA
#   TRUST_STATE             private scratch directory
#   TRUST_AUTH              none | token
#   TRUST_TOKEN_REALM, TRUST_TOKEN_SERVICE, TRUST_TOKEN_ISSUER, TRUST_TOKEN_CERTS
# Own switches:
#   REF_BACKEND=memory (default; ed25519 server keys in the server process)
#   REF_BACKEND=postgres (PostgreSQL, ECDSA server keys in notary-signer; the
#   tables come from ../fixtures/db)
#   REF_FSYNC=on (with postgres; off is the default, for tests)
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../peers/processes.sh"
. "$HERE/../peers/postgres.sh"
mkdir -p "$TRUST_STATE"
trap 'stop_children; postgres_stop' EXIT
trap 'exit 0' TERM INT

if [ "${REF_BACKEND:-memory}" = memory ]; then
  trust='{"type": "local"}'
  storage='{"backend": "memory"}'
else
  chmod 711 "$TRUST_STATE" # the database runs as another user
  postgres_start "$TRUST_STATE/postgres" "${REF_FSYNC:-off}"
  start_signer notary-signer "$(reference_database signer)"
  trust=$(remote_trust)
  storage=$(reference_database server)
fi
start_server notary-server "$TRUST_LISTEN" "$storage" "$trust"
serve_until_end
