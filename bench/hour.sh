#!/bin/bash
# Mixed load at half of what the server can do: reads, publishes and key rotations,
# with memory and errors sampled.
#
#   bench/hour.sh [MINUTES]     60 unless said otherwise; writes docs/performance.md
#
#   BENCH_SERVERS=bulla-postgresql    or bulla-sqlite, reference; one
#   BENCH_CALIBRATE=20                seconds of the same mixture as fast as it goes, before
#   BENCH_RATE                        requests a second, in place of half of what these gave
#   BENCH_MIXTURE="900 98 2"          of 1,000 requests: reads of a timestamp, publishes, rotations of the snapshot key
#   BENCH_TAGS=20 BENCH_CLIENTS=8     64 repositories in all
#   BENCH_WRITE=no                    print the table only
#   BULLA_BIN_DIR                     default: the release build
#
# The repositories keep their size, so that memory which grows is the server's.
# Uploads are signed while the clock runs.  What an hour stores is some 3 to 6 GB
# in TMPDIR.  Takes MINUTES and half a minute.
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(dirname "$HERE")
. "$REPOSITORY/tests/peers/processes.sh"
. "$REPOSITORY/tests/peers/engines.sh"
. "$REPOSITORY/tests/peers/pki.sh"
. "$HERE/page.sh"
. "$HERE/servers.sh"
bin=${BULLA_BIN_DIR:-$REPOSITORY/target/release}
minutes=${1:-60}
calibrate=${BENCH_CALIBRATE:-20}
clients=${BENCH_CLIENTS:-8}
tags=${BENCH_TAGS:-20}
read -r reads publishes rotations <<<"${BENCH_MIXTURE:-900 98 2}"
export TRUST_LOG_LEVEL=error
choose_servers bulla-postgresql
[ ${#servers[@]} = 1 ] || { echo "one server at a time"; exit 1; }
server=${servers[0]}
needs bulla-bench bulla-server bulla-signer

work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-bench.XXXXXX")
chmod 711 "$work"
clean_up() { stop_children; engine_stop; rm -rf "$work"; }
trap clean_up EXIT
trap 'exit 130' INT TERM
pki_trust_server "$work/pki"
export TRUST_STATE=$work/state
mkdir -m 711 "$TRUST_STATE"

mixed() {
  "$bin/bulla-bench" mixed --url "$URL" --ca "$TRUST_TLS_CA" --reads "$reads" --publishes "$publishes" --rotations "$rotations" \
    --repositories $((64 / clients)) --clients "$clients" --tags "$tags" "$@"
}

started=$(date -u +%Y-%m-%dT%H:%MZ)
load=$(cut -d' ' -f1-3 /proc/loadavg)
start_peer "$server"
rate=${BENCH_RATE:-}
most=
if [ -z "$rate" ]; then
  mixed --seconds "$calibrate" --sample "$calibrate" >"$work/most"
  most=$(sed -n 's/^RESULT \([^ ]*\) .*/\1/p' "$work/most")
  rate=$(awk -v most="$most" 'BEGIN { printf "%.0f", most / 2 }')
fi
echo "# $server: $rate requests a second for $minutes minutes"
seconds=$((minutes * 60))
sample=$((seconds / 12))
mixed --rate "$rate" --seconds "$seconds" --sample "$sample" --process "$SERVER_PID" --process "$SIGNER_PID" | tee "$work/samples"
if [ "$server" = bulla-sqlite ]; then
  stored=$(stat -c %s "$TRUST_STATE/bulla-server.db")
else
  stored=$(echo "select pg_database_size('notaryserver')" | engine_sql postgres)
fi

{
  machine "$started"
  echo "clients on the same machine; load averages at the start: $load. Bulla $(commit) (${bin##*/} build)."
  echo "Command: \`BENCH_SERVERS=$server BENCH_MIXTURE='$reads $publishes $rotations' BENCH_TAGS=$tags BENCH_CLIENTS=$clients bench/hour.sh $minutes\`"
  echo
  echo "$server: ${most:+as fast as it goes $most requests a second, then }$rate a second asked for."
  echo
  echo "| minute | requests a second | errors | latency, median (ms) | p99 (ms) | longest (ms) | server (MiB) | signer (MiB) |"
  echo "|---:|---:|---:|---:|---:|---:|---:|---:|"
  awk '$1 == "SAMPLE" { printf "| %.1f | %.0f | %d | %s | %s | %s | %s | %s |\n", $2 / 60, $3, $4, $6, $7, $8, $9, $10 }' "$work/samples"
  echo
  awk -v stored="$stored" '
    $1 == "SAMPLE" { errors += $4; held[++n] = $9; signer[n] = $10 }
    END {
      half = int(n / 2) ? int(n / 2) : 1
      printf "Errors: %d. Memory in the middle and at the end: server %s and %s MiB, signer %s and %s MiB. Stored at the end: %.1f GB.\n", errors, held[half], held[n], signer[half], signer[n], stored / 1e9
    }' "$work/samples"
} >"$work/report.md"
echo
cat "$work/report.md"
write_page hour "$work/report.md"
[ "$(awk '$1 == "SAMPLE" { sum += $4 } END { print sum + 0 }' "$work/samples")" = 0 ] || { echo "requests failed"; exit 1; }
