#!/bin/bash
# Our client beside docker and notary, and in their place.  First in one trust
# directory with them: scenarios B, M, K, P, G, T, Y, R, E, X and V of
# tests/acceptance, against the reference server and against Bulla's own.  Then the
# stories S0 to S13 of real clients, with `bulla` as `docker trust` and as `notary`.
# TAP; needs root, for it runs in the harness's namespaces.
#
#   tests/client-matrix.sh [B1 M7 S6 ...]     only these; S are played in place
#
#   SERVERS="reference bulla"   which servers to meet beside docker and notary
#   IN_PLACE="bulla"            which servers to meet in their place
#   DOCKER_CLI                  this docker binary (default: the one in PATH)
#   BULLA_BIN_DIR               where the binaries are (default: the debug build)
#   CI=true                     what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/required.sh"
require_peers
require_bulla bulla
peer_versions
export BULLA_CLI=$BULLA_BIN_DIR/bulla
[ $# != 0 ] || set -- B1 B2 B3 B4 B5 B6 B7 B8 B9 B10 B11 M7 M8 M12 M13 M16 M17 K1 K2 P1 P2 P3 P4 P5 P6 P7 \
  G1 G2 G3 G4 G5 G6 T1 T2 T3 Y1 Y2 Y3 Y4 Y5 Y6 R1 R2 E1 E2 E3 X1 X2 X3 X4 X5 V1 V2 V3 V4 S0 S1 S2 S3 S4 S5 S6 S7 S8 S9 S10 S11 S12 S13
beside=() in_place=()
for scenario in "$@"; do
  case $scenario in S*) in_place+=("$scenario") ;; *) beside+=("$scenario") ;; esac
done

number=0 failed=0
set -o pipefail
# meet SERVER HOW SCENARIO...: one run of the harness, a subtest
meet() {
  local server=$1 title="bulla $2 docker and notary, against $1" command
  shift 2
  case $server in
    reference) command=$HERE/acceptance/reference-server.sh ;;
    bulla) command=$HERE/start-for-e2e.sh; require_bulla bulla-server bulla-signer ;;
    *) echo "Bail out! no such server: $server"; exit 1 ;;
  esac
  number=$((number + 1))
  echo "# Subtest: $title"
  if START_SERVER_CMD=$(printf %q "$command") "$HERE/acceptance/e2e.sh" "$@" | sed -u 's/^/    /'; then
    echo "ok $number - $title"
  else
    echo "not ok $number - $title"
    failed=$((failed + 1))
  fi
}

if [ ${#beside[@]} != 0 ]; then
  for server in ${SERVERS:-reference bulla}; do E2E_HTTP_LOG=1 meet "$server" beside "${beside[@]}"; done
fi
if [ ${#in_place[@]} != 0 ]; then
  for server in ${IN_PLACE:-bulla}; do E2E_IN_PLACE=1 meet "$server" "in place of" "${in_place[@]}"; done
fi
echo "1..$number"
[ $failed = 0 ]
