#!/bin/bash
# Our client beside docker and notary in one trust directory (the B scenarios of
# tests/acceptance/scenarios-bulla.sh), in a crowd (K, scenarios-crowd.sh) and in
# a pipeline (P, scenarios-pipeline.sh), with signers (G, scenarios-signers.sh) and
# keys (Y, scenarios-keys.sh), against the reference server and against
# Bulla's own.  TAP; needs root, for it runs in the harness's namespaces.
#
#   tests/client-matrix.sh [B1 B2 ...]
#
#   SERVERS="reference bulla"   which servers to meet
#   DOCKER_CLI                  this docker binary (default: the one in PATH)
#   BULLA_BIN_DIR               where the binaries are (default: the debug build)
#   CI=true                     what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/required.sh"
require_peers
require_bulla bulla
peer_versions
export BULLA_CLI=$BULLA_BIN_DIR/bulla E2E_HTTP_LOG=1
[ $# != 0 ] || set -- B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 K1 K2 P1 P2 P3 P4 G1 G2 G3 G4 Y1 Y2 Y3 Y4

number=0 failed=0
set -o pipefail
for server in ${SERVERS:-reference bulla}; do
  case $server in
    reference) command=$HERE/acceptance/reference-server.sh ;;
    bulla) command=$HERE/start-for-e2e.sh; require_bulla bulla-server bulla-signer ;;
    *) echo "Bail out! no such server: $server"; exit 1 ;;
  esac
  number=$((number + 1))
  echo "# Subtest: bulla, docker and notary against $server"
  if START_SERVER_CMD=$(printf %q "$command") "$HERE/acceptance/e2e.sh" "$@" | sed -u 's/^/    /'; then
    echo "ok $number - bulla, docker and notary against $server"
  else
    echo "not ok $number - bulla, docker and notary against $server"
    failed=$((failed + 1))
  fi
done
echo "1..$number"
[ $failed = 0 ]
