#!/bin/bash
# Starts Bulla in the foreground for the acceptance harness: a START_SERVER_CMD,
# whose contract is in tests/acceptance/README.md.  bulla-signer and
# bulla-server keep their state in SQLite files in TRUST_STATE.
#
# Own switches:
#   BULLA_BIN_DIR      where the binaries are (default: the debug build)
#   BULLA_TRUST=local  no signer: keys and metadata in the server's memory
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/processes.sh"
bin=${BULLA_BIN_DIR:-$HERE/../target/debug}
mkdir -p "$TRUST_STATE"
trap stop_children EXIT
trap 'exit 0' TERM INT

if [ "${BULLA_TRUST:-remote}" = local ]; then
  trust='{"type": "local"}'
  storage='{"backend": "memory"}'
else
  start_signer "$bin/bulla-signer" "$(sqlite_storage signer)"
  trust=$(remote_trust)
  storage=$(sqlite_storage server)
fi
start_server "$bin/bulla-server" "$TRUST_LISTEN" "$storage" "$trust"
serve_until_end
