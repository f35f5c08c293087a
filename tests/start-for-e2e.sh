#!/bin/bash
# Starts Bulla in the foreground for the acceptance harness: a START_SERVER_CMD,
# whose contract is in tests/acceptance/README.md.  bulla-signer and
# bulla-server keep their state in databases of their own in TRUST_STATE.
#
# Own switches:
#   BULLA_BIN_DIR   where the binaries are (default: the debug build)
#   BULLA_ENGINE    sqlite (default), postgres or mariadb, empty at the start;
#                   memory: no signer, keys and metadata in the server's memory
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
bin=${BULLA_BIN_DIR:-$HERE/../target/debug}
engine=${BULLA_ENGINE:-sqlite}
mkdir -p "$TRUST_STATE"
trap 'stop_children; engine_stop' EXIT
trap 'exit 0' TERM INT

if [ "$engine" = memory ]; then
  trust='{"type": "local"}'
  storage='{"backend": "memory"}'
else
  chmod 711 "$TRUST_STATE" # a database server runs as another user
  engine_start "$engine" "$TRUST_STATE/$engine"
  engine_database signer
  engine_database server
  start_signer "$bin/bulla-signer" "$(engine_storage signer)"
  trust=$(remote_trust)
  storage=$(engine_storage server)
fi
start_server "$bin/bulla-server" "$TRUST_LISTEN" "$storage" "$trust"
serve_until_end
