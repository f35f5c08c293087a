#!/bin/bash
# The reference's databases taken over, given back and taken over again, with
# the real notary client.  TAP on standard output.
#
#   tests/takeover/run.sh [STORY ...]    of postgres, mariadb, mariadb-own, late, broken
#
#   OURS=reference  the reference in our place: what the stories themselves are worth
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
. "$HERE/recorded.sh"
. "$HERE/broken.sh"

OURS=${OURS:-bulla}
require_peers
[ "$OURS" = reference ] || require_bulla bulla-server bulla-signer broken-uploads
peer_versions
stories_begin takeover
[ $# != 0 ] || set -- postgres mariadb mariadb-own late broken
for story in "$@"; do
  case $story in
    postgres) tell "$story" "the recorded PostgreSQL, ours and the reference in turns" take_over postgres postgres ;;
    mariadb) tell "$story" "the same rows in MariaDB, ours and the reference in turns" take_over mariadb postgres ;;
    mariadb-own) tell "$story" "the recorded MariaDB, ours and the reference in turns" take_over mariadb mariadb ;;
    late) tell "$story" "the recorded PostgreSQL when its timestamps have expired" take_over_late postgres postgres ;;
    broken) tell "$story" "repositories that the reference made unreadable, mended" mend_broken postgres ;;
    *) echo "Bail out! unknown story $story"; exit 1 ;;
  esac
done
stories_end
