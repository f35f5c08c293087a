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
#   REF_BACKEND=postgres|mariadb (a database of its own, ECDSA server keys in
#   notary-signer; the tables come from ../fixtures/db)
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../peers/processes.sh"
. "$HERE/../peers/engines.sh"
mkdir -p "$TRUST_STATE"
trap 'stop_children; engine_stop' EXIT
trap 'exit 0' TERM INT

if [ "${REF_BACKEND:-memory}" = memory ]; then
  trust='{"type": "local"}'
  storage='{"backend": "memory"}'
else
  chmod 711 "$TRUST_STATE" # the database runs as another user
  engine_start "$REF_BACKEND" "$TRUST_STATE/$REF_BACKEND"
  reference_database signer
  reference_database server
  start_signer notary-signer "$(engine_storage signer)"
  trust=$(remote_trust)
  storage=$(engine_storage server)
fi
start_server notary-server "$TRUST_LISTEN" "$storage" "$trust"
serve_until_end
