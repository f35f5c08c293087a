#!/bin/bash
# Both halves replaced one at a time: Bulla's server with the reference's
# signer, and the reference's server with Bulla's signer, each driven by the
# notary client from the first publish through rotations to a restart.
# TAP on standard output.
#
#   tests/pairing/run.sh [PAIRING ...]
#
# A pairing is SERVER+SIGNER@ENGINE; without any named: bulla+reference and
# reference+bulla, on postgres and on mariadb.  reference+reference shows what
# the story itself is worth.
#   BULLA_BIN_DIR   where the binaries are (default: the debug build)
#   STORIES_KEEP=1  keep the work directories (all logs)
#   CI=true         what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../peers/required.sh"
. "$HERE/../peers/processes.sh"
. "$HERE/../peers/engines.sh"
. "$HERE/../peers/pki.sh"
. "$HERE/../peers/stories.sh"
. "$HERE/../peers/halves.sh"
. "$HERE/story.sh"

require_peers
pairings=("$@")
[ ${#pairings[@]} != 0 ] || pairings=({bulla+reference,reference+bulla}@{postgres,mariadb})
for pairing in "${pairings[@]}"; do
  case ${pairing%@*} in
    bulla+bulla) require_bulla bulla-server bulla-signer ;;
    bulla+reference) require_bulla bulla-server ;;
    reference+bulla) require_bulla bulla-signer ;;
    reference+reference) ;;
    *) echo "Bail out! unknown pairing $pairing"; exit 1 ;;
  esac
done
peer_versions

stories_begin pairing
for pairing in "${pairings[@]}"; do
  IFS=+@ read -r server signer engine <<<"$pairing"
  tell "$pairing" "server+signer@engine $pairing: first publish, rotations, updates, restart" story "$server" "$signer" "$engine"
done
stories_end
