#!/bin/bash
# Two replicas of Bulla on one database: what one has acknowledged, the other
# serves at once.  On PostgreSQL, on MariaDB, and on a Galera cluster with each
# replica at another node.  Both find an empty database when they start, at the
# same time.  TAP on standard output.
#
#   tests/replicas/run.sh [postgres mariadb galera]
#
#   ROUNDS=n        publishes in each story (default 500)
#   OURS=reference  the reference in our place
#   BULLA_BIN_DIR   where the binaries are (default: the debug build)
#   STORIES_KEEP=1  keep the work directories (all logs)
#   CI=true         what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../peers/required.sh"
. "$HERE/../peers/processes.sh"
. "$HERE/../peers/engines.sh"
. "$HERE/../peers/galera.sh"
. "$HERE/../peers/pki.sh"
. "$HERE/../peers/stories.sh"
. "$HERE/../peers/halves.sh"

# replicas ENGINE: each replica is given the database by its own way to it
replicas() {
  local replica urls=() pids=()
  case $1 in
    galera) galera_start "$TRUST_STATE/galera" 3 && ENGINE=mariadb ;;
    *) engine_start "$1" "$TRUST_STATE/$1" ;;
  esac || fail "$1 did not start"
  "$TABLES" signer && "$TABLES" server || fail "no databases"
  start_signer "$(program signer "$OURS")" "$(engine_storage signer)" || fail "the signer did not start"
  for replica in 1 2; do
    LISTEN=127.0.0.1:$(free_port)
    [ "$1" != galera ] || MARIADB_PORT=${GALERA_PORTS[replica - 1]}
    launch_server "$(program server "$OURS")" "$LISTEN" "$(engine_storage server)" "$(remote_trust)" "server-$replica"
    urls+=("https://localhost:${LISTEN##*:}") pids+=("$SERVER_PID")
  done
  for replica in 1 2; do
    await_server "${urls[replica - 1]}" "${pids[replica - 1]}" "server-$replica" || fail "replica $replica did not start"
  done
  must env RUST_BACKTRACE=0 "$BULLA_BIN_DIR/replica-reads" --ca "$TRUST_TLS_CA" --rounds "${ROUNDS:-500}" "${urls[@]}"
  note "$OUT"
}

require_peers
require_bulla replica-reads
OURS=${OURS:-bulla} TABLES=engine_database
case $OURS in
  bulla) require_bulla bulla-server bulla-signer ;;
  *) TABLES=reference_database ;;
esac
peer_versions
stories_begin replicas
[ $# != 0 ] || set -- postgres mariadb galera
for engine in "$@"; do tell "$engine" "$engine: no replica serves anything older than what another acknowledged" replicas "$engine"; done
stories_end
