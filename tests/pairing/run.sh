#!/bin/bash
# Both halves replaced one at a time: Bulla's server with the reference's
# signer, and the reference's server with Bulla's signer, each driven by the
# notary client from the first publish through rotations to a restart.
# TAP on standard output.
#
#   tests/pairing/run.sh [PAIRING ...]
#
# A pairing is SERVER+SIGNER; without any named: bulla+reference and
# reference+bulla.  reference+reference shows what the story itself is worth.
#   BULLA_BIN_DIR   where the binaries are (default: the debug build)
#   PAIRING_KEEP=1  keep the work directories (all logs)
#   CI=true         what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../peers/required.sh"
. "$HERE/../peers/processes.sh"
. "$HERE/../peers/engines.sh"
. "$HERE/../peers/pki.sh"
. "$HERE/story.sh"

require_peers
pairings=("$@")
[ ${#pairings[@]} != 0 ] || pairings=(bulla+reference reference+bulla)
for pairing in "${pairings[@]}"; do
  case $pairing in
    bulla+bulla) require_bulla bulla-server bulla-signer ;;
    bulla+reference) require_bulla bulla-server ;;
    reference+bulla) require_bulla bulla-signer ;;
    reference+reference) ;;
    *) echo "Bail out! unknown pairing $pairing"; exit 1 ;;
  esac
done
peer_versions

work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-pairing.XXXXXX")
chmod 711 "$work"
clean_up() {
  stop_children
  engine_stop
  if [ "${PAIRING_KEEP:-0}" = 1 ]; then echo "# work directory kept: $work"; else rm -rf "$work"; fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM
pki_trust_server "$work/pki" || { echo "Bail out! openssl failed"; exit 1; }

number=0 failed=0
for pairing in "${pairings[@]}"; do
  number=$((number + 1))
  export TRUST_STATE=$work/$pairing
  mkdir -p "$TRUST_STATE/home"
  chmod 711 "$TRUST_STATE"
  log=$TRUST_STATE/story.log
  start=$(date +%s.%N)
  # a subshell, so that the first unmet expectation ends this pairing only
  if (
    trap 'stop_children; engine_stop' EXIT
    story "${pairing%+*}" "${pairing#*+}"
  ) >"$log" 2>&1; then
    echo "ok $number - server+signer $pairing: first publish, rotations, updates, restart"
  else
    echo "not ok $number - server+signer $pairing: $(grep '^FAILED: ' "$log" | tail -1)"
    failed=$((failed + 1))
    tail -20 "$log" | sed 's/^/#   /'
    for half in server signer; do tail -5 "$TRUST_STATE/$half.log" 2>/dev/null | sed "s/^/#   $half: /"; done
  fi
  printf '# %s took %.1f s\n' "$pairing" "$(echo "$(date +%s.%N) - $start" | bc)"
done
echo "1..$number"
[ $failed = 0 ]
