#!/bin/bash
# Many publishes into one repository, pruned: what is stored ends at what is
# current, and clients that were last here before, or never, go on.  TAP.
#
#   tests/prune.sh [sqlite postgres mariadb]
#
#   PRUNE_PUBLISHES=n   about how many (default 500)
#   BULLA_BIN_DIR       where the binaries are (default: the debug build)
#   STORIES_KEEP=1      keep the work directories (all logs)
#   CI=true             what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/required.sh"
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
. "$HERE/peers/pki.sh"
. "$HERE/peers/stories.sh"
. "$HERE/peers/halves.sh"
PUBLISHES=${PRUNE_PUBLISHES:-500}
export TRUST_LOG_LEVEL=warning
TRUST_LIMITS='{"gun_publishes_per_minute": 0, "gun_key_requests_per_minute": 0, "gun_new_keys_per_hour": 0, "client_new_keys_per_hour": 0}'

# age DAYS: as if all that is stored had been so many days longer; but for roots, whose certificates are younger
age() {
  case $ENGINE in
    sqlite) echo "update tuf_files set created_at = created_at - $1 * 86400000000 where role <> 'root';" ;;
    postgres) echo "update tuf_files set created_at = created_at - interval '$1 days' where role <> 'root'" ;;
    mariadb) echo "update tuf_files set created_at = created_at - interval $1 day where role <> 'root'" ;;
  esac | server_sql
}

stored() { echo "select sum(length(data)) from tuf_files" | server_sql; }
count() { echo "select count(*) from tuf_files where role $1" | server_sql; }

prune() {
  must "$BULLA_BIN_DIR/bulla-server" -config "$TRUST_STATE/server.json" admin prune "$@"
}

pruned() {
  local all publisher published client
  engine_start "$1" "$TRUST_STATE/$1" && engine_database signer && engine_database server || fail "$1 did not start"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  trust_address
  start_halves bulla bulla
  GUN=prune.test/app
  publish_tag owner first
  must notary_as owner key rotate "$GUN" snapshot -r
  # one that was here at the beginning, and has its first root and its first targets
  tags_seen_by old-client
  # roots that it has to pass
  must notary_as owner key rotate "$GUN" snapshot -r
  must notary_as owner key rotate "$GUN" timestamp -r
  publish_tag owner second
  # many publishes into another one, of which one in a hundred rotates a key; a client would take half a second for each
  "$BULLA_BIN_DIR/bulla-bench" mixed --url "$URL" --ca "$TRUST_TLS_CA" --reads 0 --publishes 99 --rotations 1 --repositories 1 \
    --clients 1 --tags 10 --seconds 3600 >"$TRUST_STATE/many.log" 2>&1 &
  publisher=$!
  CHILDREN+=("$publisher")
  local many=
  for _ in $(seq 1 300); do
    many=$(echo "select distinct gun from tuf_files where gun like 'bench.test/%' and role = 'timestamp'" | server_sql)
    [ -z "$many" ] || break
    sleep 0.1
  done
  GUN=$many tags_seen_by old-client
  while published=$(count "= 'timestamp' and gun = '$many'"); [ "$published" -lt "$PUBLISHES" ]; do
    kill -0 "$publisher" 2>/dev/null || fail "the publishes ended early: $(tail -1 "$TRUST_STATE/many.log")"
    sleep 0.5
  done
  kill "$publisher" && wait "$publisher"
  all=$(stored)
  published=$(count "= 'timestamp' and gun = '$many'")

  prune --superseded-days 30
  expect "$(stored)" "$all" "nothing was superseded for so long"
  age 366
  prune --superseded-days 30 --dry-run
  expect "$(stored)" "$all" "a dry run removes nothing"
  local roots
  roots=$(count "= 'root'")
  prune --superseded-days 30
  note "$(tail -1 <<<"$OUT")"
  expect "$(count "= 'root'")" "$roots" "roots"
  expect "$(count "<> 'root'")" 6 "the newest targets, snapshot and timestamp of both repositories"
  note "$1: $published publishes, $roots roots: $all bytes of documents before, $(stored) after"

  # who was here a year ago, and who never was
  for client in old-client new-client; do
    GUN=$many tags_seen_by "$client"
    expect "$(wc -l <<<"$TAGS")" 10 "tags that $client sees"
    GUN=prune.test/app tags_seen_by "$client"
    expect "$(cut -d' ' -f1 <<<"$TAGS" | xargs)" "first second" "tags that $client sees"
  done
  must admin_verify
  publish_tag owner third
  tags_seen_by old-client
  expect "$(wc -l <<<"$TAGS")" 3 "tags after the next publish"
}

require_peers
require_bulla bulla-server bulla-signer bulla-bench
peer_versions
stories_begin prune
[ $# != 0 ] || set -- sqlite postgres mariadb
for engine in "$@"; do tell "$engine" "$engine: pruned to what is current and every root, and clients of any age go on" pruned "$engine"; done
stories_end
