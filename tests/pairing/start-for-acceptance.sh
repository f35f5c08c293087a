#!/bin/bash
# Starts a pairing in the foreground for the acceptance harness: a
# START_SERVER_CMD, whose contract is in tests/acceptance/README.md.
#
#   PAIRING=SERVER+SIGNER@ENGINE   each half bulla or reference, on postgres or
#                                  mariadb, with tables of the reference's
#   BULLA_BIN_DIR                  where the binaries are (default: the debug build)
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../peers/processes.sh"
. "$HERE/../peers/engines.sh"
. "$HERE/../peers/halves.sh"
BULLA_BIN_DIR=${BULLA_BIN_DIR:-$HERE/../../target/debug}
IFS=+@ read -r server signer engine <<<"$PAIRING"
mkdir -p "$TRUST_STATE"
trap 'stop_children; engine_stop' EXIT
trap 'exit 0' TERM INT

chmod 711 "$TRUST_STATE" # a database server runs as another user
engine_start "$engine" "$TRUST_STATE/$engine"
reference_database signer
reference_database server
start_signer "$(program signer "$signer")" "$(engine_storage signer)"
start_server "$(program server "$server")" "$TRUST_LISTEN" "$(engine_storage server)" "$(remote_trust)"
serve_until_end
