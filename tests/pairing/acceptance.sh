#!/bin/bash
# The acceptance harness on both pairings: Bulla's server with the reference's
# signer, and the reference's server with Bulla's signer. TAP on standard output.
#
#   tests/pairing/acceptance.sh [S1 S7 ...]   only these scenarios (default: S1 to S8)
#
#   PAIRINGS="..."  of SERVER+SIGNER@ENGINE (default: both on postgres)
#   EVERY_PAIR=1    with every docker CLI; otherwise with Debian's
#   DOCKER_CLI, RUNS, BULLA_BIN_DIR, CI   as in tests/acceptance/run.sh
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../peers/required.sh"
require_bulla bulla-server bulla-signer
scenarios=("$@")
[ ${#scenarios[@]} != 0 ] || scenarios=(S1 S2 S3 S4 S5 S6 S7 S8)
read -ra pairings <<<"${PAIRINGS:-bulla+reference@postgres reference+bulla@postgres}"
[ "${EVERY_PAIR:-0}" = 1 ] || export DOCKER_CLI=${DOCKER_CLI:-/usr/bin/docker}
export BULLA_BIN_DIR START_SERVER_CMD
START_SERVER_CMD=$(printf %q "$HERE/start-for-acceptance.sh")
number=0 failed=0
set -o pipefail
harness() { PAIRING=$1 "$HERE/../acceptance/run.sh" "${@:2}" | sed -u 's/^/    /'; }
# Two publishers at once may leave a repository of the reference's server that nobody can read or publish to any
# more: there S8 begins anew, twice at most.
at_once() {
  local try
  for try in 1 2 3; do
    echo "# S8 by itself, $1, run $try of 3 at most"
    harness "$1" S8 && return
  done
  return 1
}
run() {
  local alone=() rest=() scenario
  for scenario in "${@:2}"; do
    if [[ $1 == reference+* && $scenario == S8 ]]; then alone+=("$scenario"); else rest+=("$scenario"); fi
  done
  { [ ${#rest[@]} = 0 ] || harness "$1" "${rest[@]}"; } && { [ ${#alone[@]} = 0 ] || at_once "$1"; }
}
for pairing in "${pairings[@]}"; do
  number=$((number + 1))
  echo "# Subtest: $pairing"
  if run "$pairing" "${scenarios[@]}"; then
    echo "ok $number - $pairing"
  else
    echo "not ok $number - $pairing"
    failed=$((failed + 1))
  fi
done
echo "1..$number"
[ $failed = 0 ]
