#!/bin/bash
# A store of many repositories listed a page at a time, by `admin list` and over
# HTTP: each once, in order, and no page takes a second.  TAP.
#
#   tests/listing.sh [sqlite postgres mariadb]
#
#   LISTING_REPOSITORIES=n  how many (default 300)
#   LISTING_PAGE=n          of how many (default 100)
#   BULLA_BIN_DIR           where the binaries are (default: the debug build)
#   STORIES_KEEP=1          keep the work directories (all logs)
#   CI=true                 what is missing is a failure, not a skip
#
# One is published, the others are its rows under other names.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/required.sh"
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
. "$HERE/peers/pki.sh"
. "$HERE/peers/stories.sh"
. "$HERE/peers/halves.sh"
REPOSITORIES=${LISTING_REPOSITORIES:-300}
PAGE=${LISTING_PAGE:-100}
export TRUST_LOG_LEVEL=warning
TRUST_LIMITS='{"client_requests_per_minute": 0}'

# fill: copies of the rows of GUN under other names
fill() {
  local numbers="(with recursive counted(n) as (select 1 union all select n + 1 from counted where n < $REPOSITORIES - 1) select n from counted)" name=
  name="'list.test/tenant-' || (n % 7) || '/app-' || n"
  case $ENGINE in
    postgres) numbers="(select n from generate_series(1, $REPOSITORIES - 1) n)" ;;
    mariadb) numbers="(select seq as n from seq_1_to_$((REPOSITORIES - 1)))" name="concat('list.test/tenant-', n % 7, '/app-', n)" ;;
  esac
  server_sql <<SQL
insert into tuf_files (created_at, updated_at, gun, role, version, data, sha256)
  select created_at, updated_at, $name, role, version, data, sha256 from $numbers numbers, (select * from tuf_files where gun = '$GUN') files
SQL
}

# in_milliseconds COMMAND...: OUT, and TOOK
in_milliseconds() {
  local began
  began=$(date +%s%N)
  OUT=$("$@") || fail "exit $? from: $*"
  TOOK=$((($(date +%s%N) - began) / 1000000))
}

by_command() { "$BULLA_BIN_DIR/bulla-server" -config "$TRUST_STATE/server.json" admin list --output json --limit "$PAGE" ${AFTER:+"--after=$AFTER"}; }
over_http() { curl -sSf --noproxy '*' --cacert "$TRUST_TLS_CA" --max-time 10 --get "$URL/v2/_trust/repositories" -d "n=$PAGE" ${AFTER:+--data-urlencode "last=$AFTER"}; }

# walked WAY: every page by that way, into WAY.names; SLOWEST
walked() {
  local pages=0
  AFTER='' SLOWEST=0
  : >"$TRUST_STATE/$1.names"
  while :; do
    in_milliseconds "$1"
    [ "$TOOK" -le "$SLOWEST" ] || SLOWEST=$TOOK
    pages=$((pages + 1))
    case $1 in
      by_command) jq -r 'select(.gun).gun' <<<"$OUT" >>"$TRUST_STATE/$1.names" && AFTER=$(jq -r 'select(has("next")).next // empty' <<<"$OUT") ;;
      *) jq -r '.repositories[].gun' <<<"$OUT" >>"$TRUST_STATE/$1.names" && AFTER=$(jq -r '.next // empty' <<<"$OUT") ;;
    esac
    [ -n "$AFTER" ] || break
  done
  expect "$(wc -l <"$TRUST_STATE/$1.names")" "$REPOSITORIES" "repositories $1"
  LC_ALL=C sort -uc "$TRUST_STATE/$1.names" || fail "not each once and in order: $1"
  [ "$SLOWEST" -lt 1000 ] || fail "a page took $SLOWEST ms: $1"
  note "$ENGINE $1: $REPOSITORIES repositories on $pages pages of $PAGE, the slowest after $SLOWEST ms"
}

listed() {
  engine_start "$1" "$TRUST_STATE/$1" && engine_database signer && engine_database server || fail "$1 did not start"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  trust_address
  start_halves bulla bulla
  GUN=list.test/first
  publish_tag owner first
  fill || fail "the store cannot be filled"
  # rows that came by another way than a publish are looked for by the command, and by the server each hour
  walked by_command
  walked over_http
  expect_same "$TRUST_STATE/over_http.names" "$TRUST_STATE/by_command.names" "both tell the same"
}

require_peers
require_bulla bulla-server bulla-signer
peer_versions
stories_begin listing
[ $# != 0 ] || set -- sqlite postgres mariadb
for engine in "$@"; do tell "$engine" "$engine: all repositories are listed, a page at a time, each once" listed "$engine"; done
stories_end
