#!/bin/bash
# Keys on a PKCS #11 token (SoftHSM) under our server and signer, with the real
# notary client; and keys of our client.  TAP on standard output.
#
#   tests/token/run.sh [STORY ...]    of life, p384, rsa, ed25519, wrapping, client
#
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
. "$HERE/../peers/softhsm.sh"
. "$HERE/hardware.sh"
. "$HERE/life.sh"
. "$HERE/kinds.sh"
. "$HERE/client.sh"

for program in softhsm2-util pkcs11-tool notary jq openssl; do
  command -v "$program" >/dev/null || skip_all "$program is not installed: tests/install-peers.sh"
done
require_bulla bulla-server bulla-signer bulla
printf '# SoftHSM %s, notary %s\n' "$(softhsm2-util --version)" "$(dpkg-query -W -f '${Version}' notary 2>/dev/null)"
PKI_YEARS_AGO=4 stories_begin token # one story signs as if it were years ago
[ $# != 0 ] || set -- life p384 rsa ed25519 wrapping client
for story in "$@"; do
  case $story in
    life) tell "$story" "snapshot and timestamp keys move to a token and back; the token loses a key, and goes away" token_life postgres ;;
    p384) tell "$story" "keys on P-384 on a token sign what notary verifies" token_kind ecdsa P-384 ecdsa ;;
    rsa) tell "$story" "RSA keys on a token sign what notary verifies" token_kind rsa 3072 rsapss ;;
    ed25519) tell "$story" "Ed25519 keys on a token sign what notary verifies" token_kind ed25519 Ed25519 eddsa ;;
    wrapping) tell "$story" "keys that a key of a token wraps sign before and after a restart, and not without the token" token_wraps ;;
    client) tell "$story" "our client keeps every key of a repository on a token, and notary and docker read it" token_client ;;
    *) echo "Bail out! unknown story $story"; exit 1 ;;
  esac
done
stories_end
