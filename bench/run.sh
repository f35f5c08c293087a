#!/bin/bash
# The benchmark of `make bench`: the Go reference (notary-server and
# notary-signer on PostgreSQL), Bulla (server and signer on PostgreSQL, and on
# SQLite) and nginx with the same bytes in turn on this machine, all with TLS and
# the databases with every commit synced to disk.
#
#   bench/run.sh            measures, and writes docs/performance.md
#
#   BENCH_SERVERS="reference bulla-postgresql bulla-sqlite nginx"   which, in this order, each round;
#                                     nginx serves what the one before it served, as files
#   BENCH_ROUNDS=3                    how often each
#   BENCH_SECONDS=10                  length of each measurement
#   BENCH_REPOSITORIES=64 BENCH_TAGS=100 BENCH_CLIENTS=8
#   BENCH_UPDATES=120                 uploads prepared for each repository
#   BENCH_WRITE=no                    print the table only
#   BULLA_BIN_DIR                     default: the release build
#
# Measured in each round, each server on new databases:
#   publish    signed uploads, prepared ahead of the clock, replayed by
#              BENCH_CLIENTS clients on kept connections; each adds one tag to a
#              repository of BENCH_TAGS, and snapshot and timestamp are the server's
#   timestamp  GET timestamp.json by name on kept TLS connections (wrk, 16 connections)
#   targets    GET targets.json by name, likewise
#   hash       GET targets by hash, likewise
#   closed     GET timestamp.json, each on a TLS connection of its own (wrk, 8 at a time, "Connection: close")
#   new        the same by bulla-bench: the handshakes of wrk cost more than the
#              servers' and are measured with them
#   cold       whole pull checks without a cache, by bulla-bench, each request on a connection
#              of its own, as docker does: /v2/, root, timestamp, snapshot and targets
#   warm       likewise with a cache: /v2/ and timestamp; both but of nginx
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(dirname "$HERE")
. "$REPOSITORY/tests/peers/processes.sh"
. "$REPOSITORY/tests/peers/engines.sh"
. "$REPOSITORY/tests/peers/pki.sh"
. "$HERE/page.sh"
. "$HERE/nginx.sh"
. "$HERE/servers.sh"
bin=${BULLA_BIN_DIR:-$REPOSITORY/target/release}
rounds=${BENCH_ROUNDS:-3}
seconds=${BENCH_SECONDS:-10}
export BENCH_REPOSITORIES=${BENCH_REPOSITORIES:-64}
tags=${BENCH_TAGS:-100}
clients=${BENCH_CLIENTS:-8}
updates=${BENCH_UPDATES:-120}
export TRUST_LOG_LEVEL=error

"$REPOSITORY/tests/install-peers.sh" >/dev/null || true
command -v wrk >/dev/null || { echo "wrk is missing: tests/install-peers.sh names what the benchmark needs"; exit 1; }
choose_servers "reference bulla-postgresql bulla-sqlite nginx"
needs bulla-bench bulla-server bulla-signer

work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-bench.XXXXXX")
chmod 711 "$work"
clean_up() { stop_children; engine_stop; rm -rf "$work"; }
trap clean_up EXIT
trap 'exit 130' INT TERM
pki_trust_server "$work/pki"
results=$work/results
export BENCH_FILES=$work/files
: >"$results"

# paths FILE: of each repository
paths() {
  local number
  for number in $(seq -f %03g 0 $((BENCH_REPOSITORIES - 1))); do echo "/v2/bench.test/repo-$number/_trust/tuf/$1"; done
}

# paths_by_hash: of the targets that the server serves now
paths_by_hash() {
  local path
  while read -r path; do
    sha256=$(curl -sSf --noproxy '*' --cacert "$TRUST_TLS_CA" --max-time 30 "$URL$path" | sha256sum | cut -d' ' -f1)
    echo "${path%.json}.$sha256.json"
  done < <(paths targets.json)
}

# reads LIST CONNECTIONS [HEADER]: by wrk
reads() {
  BENCH_PATHS=$1 wrk -c"$2" -t2 -d"${seconds}s" --latency -s "$HERE/read.lua" "$URL" 2>&1
}

# measure SERVER: one round of it
measure() {
  if [ "$1" != nginx ]; then
    "$bin/bulla-bench" prepare --url "$URL" --ca "$TRUST_TLS_CA" --directory "$TRUST_STATE/uploads" \
      --repositories "$BENCH_REPOSITORIES" --tags "$tags" --updates "$updates" >/dev/null
    "$bin/bulla-bench" replay --url "$URL" --ca "$TRUST_TLS_CA" --directory "$TRUST_STATE/uploads" \
      --clients "$clients" --seconds "$seconds" | record "$1" publish
    paths timestamp.json >"$work/timestamp"
    paths targets.json >"$work/targets"
    paths_by_hash >"$work/hash"
    rm -rf "$BENCH_FILES"
    [[ " ${servers[*]} " != *" nginx "* ]] || save_files "$work/timestamp" "$work/targets" "$work/hash"
  fi
  for kind in timestamp targets hash; do
    reads "$work/$kind" 16 | record "$1" "$kind"
  done
  BENCH_CLOSE=yes reads "$work/timestamp" 8 | record "$1" closed
  "$bin/bulla-bench" connect --url "$URL" --certificate "$TRUST_TLS_CERT" --repositories "$BENCH_REPOSITORIES" \
    --connections 8 --seconds "$seconds" | record "$1" new
  [ "$1" != nginx ] || return 0
  for check in cold warm; do
    "$bin/bulla-bench" connect --check $check --url "$URL" --certificate "$TRUST_TLS_CERT" --repositories "$BENCH_REPOSITORIES" \
      --connections 8 --seconds "$seconds" | record "$1" $check
  done
  memory "$1"
}

started=$(date -u +%Y-%m-%dT%H:%MZ)
load=$(cut -d' ' -f1-3 /proc/loadavg)
for round in $(seq 1 "$rounds"); do
  for server in "${servers[@]}"; do
    echo "# round $round of $rounds: $server"
    in_turn "$work/$round-$server" "$server" measure
  done
done

report() {
  machine "$started"
  echo "clients on the same machine; load averages at the start: $load."
  echo "Bulla $(commit) (${bin##*/} build), on SQLite with \`synchronous=FULL\` and on PostgreSQL;"
  if [[ " ${servers[*]} " == *" reference "* ]]; then
    echo "notary $(version_of notary); PostgreSQL $(version_of postgresql-15), \`fsync=on\`;"
  fi
  echo "wrk $(version_of wrk)."
  echo "Command: \`BENCH_SERVERS='${servers[*]}' BENCH_ROUNDS=$rounds BENCH_SECONDS=$seconds BENCH_REPOSITORIES=$BENCH_REPOSITORIES BENCH_TAGS=$tags BENCH_CLIENTS=$clients BENCH_UPDATES=$updates bench/run.sh\`, driver from the ${bin##*/} build."
  echo
  "$HERE/table.awk" "$results"
  ended
  echo
  echo "Memory of the server after its reads and the most that it held, in MiB, medians:"
  echo
  "$HERE/memory.awk" "$work/memory"
}
report >"$work/report.md"
echo
cat "$work/report.md"

write_page bench "$work/report.md"
errors=$(awk '{ sum += $4 } END { print sum + 0 }' "$results")
[ "$errors" = 0 ] || { echo "$errors requests failed: these figures do not count"; exit 1; }
