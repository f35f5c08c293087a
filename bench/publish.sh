#!/bin/bash
# The benchmark of what is written: publishes of other sizes and numbers of clients
# than bench/run.sh has, on the same servers, in turn, each measure on new databases.
#
#   bench/publish.sh        measures, and writes docs/performance.md
#
#   BENCH_SERVERS="reference bulla-postgresql bulla-sqlite"   which, in this order, each round
#   BENCH_MEASURES="large middle many one first rotation"     which, in this order
#   BENCH_ROUNDS=3                    how often each
#   BENCH_SECONDS=10                  length of each measurement, at most
#   BENCH_WRITE=no                    print the table only
#   BULLA_BIN_DIR                     default: the release build
#
#   large      one tag more in each of 8 repositories of 10,000 tags, 8 clients; and the most
#              memory that the server held, of BENCH_LARGE=60 uploads for each, 1.2 MB long
#   middle     in 64 of 1,000 tags, 8 clients; BENCH_MIDDLE=80 for each, 0.1 MB
#   many       in 64 of 100 tags, 64 clients; BENCH_MANY=120 for each
#   one        all 8 clients into one repository of 100 tags; BENCH_ONE=4000.  A client that is
#              overtaken tries a later version; tries that were overtaken are shown beside it (of the
#              reference also those that it answers with 500 UPDATING)
#   first      first publishes of BENCH_FIRST=2000 new repositories of 100 tags, 8 clients;
#              and `keys`, what the server made for them before: two keys each, asked for by one client
#   rotation   a new snapshot key of the server's and the root with it, 8 clients; signed while the clock
#              runs, as the key is not known before
#
# All but the last two replay uploads that were signed ahead of the clock.  A round
# of one server takes about 6 times BENCH_SECONDS and half a minute for signing.
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(dirname "$HERE")
. "$REPOSITORY/tests/peers/processes.sh"
. "$REPOSITORY/tests/peers/engines.sh"
. "$REPOSITORY/tests/peers/pki.sh"
. "$HERE/page.sh"
. "$HERE/servers.sh"
bin=${BULLA_BIN_DIR:-$REPOSITORY/target/release}
rounds=${BENCH_ROUNDS:-3}
seconds=${BENCH_SECONDS:-10}
read -ra measures <<<"${BENCH_MEASURES:-large middle many one first rotation}"
export TRUST_LOG_LEVEL=error

"$REPOSITORY/tests/install-peers.sh" >/dev/null || true
choose_servers "reference bulla-postgresql bulla-sqlite"
needs bulla-bench bulla-server bulla-signer

work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-bench.XXXXXX")
chmod 711 "$work"
clean_up() { stop_children; engine_stop; rm -rf "$work"; }
trap clean_up EXIT
trap 'exit 130' INT TERM
pki_trust_server "$work/pki"
results=$work/results
touch "$results" "$work/memory" "$work/overtaken"

# prepare REPOSITORIES TAGS UPDATES
prepare() {
  "$bin/bulla-bench" prepare "${target[@]}" --repositories "$1" --tags "$2" --updates "$3"
}

# replay CLIENTS [--first]
replay() { "$bin/bulla-bench" replay "${target[@]}" --seconds "$seconds" --clients "$@"; }

# measure MEASURE SERVER
measure() {
  target=(--url "$URL" --ca "$TRUST_TLS_CA" --directory "$TRUST_STATE/uploads")
  case $1 in
    large)
      prepare 8 10000 "${BENCH_LARGE:-60}" >/dev/null
      replay 8 | record "$2" large
      memory "$2"
      ;;
    middle) prepare 64 1000 "${BENCH_MIDDLE:-80}" >/dev/null && replay 8 | record "$2" middle ;;
    many) prepare 64 100 "${BENCH_MANY:-120}" >/dev/null && replay 64 | record "$2" many ;;
    one)
      prepare 1 100 "${BENCH_ONE:-4000}" >/dev/null
      "$bin/bulla-bench" race "${target[@]}" --seconds "$seconds" --clients 8 \
        $([ "$2" != reference ] || echo --updating-too) >"$TRUST_STATE/one"
      record "$2" one <"$TRUST_STATE/one"
      sed -n "s/^OVERTAKEN /overtaken $2 /p" "$TRUST_STATE/one" | tee -a "$work/overtaken"
      ;;
    first)
      prepare "${BENCH_FIRST:-2000}" 100 0 | record "$2" keys
      replay 8 --first | record "$2" first
      ;;
    rotation)
      "$bin/bulla-bench" mixed --url "$URL" --ca "$TRUST_TLS_CA" --reads 0 --publishes 0 --rotations 1 --clients 8 --repositories 8 \
        --seconds "$seconds" | record "$2" rotation
      ;;
    *) echo "no such measure: $1" >&2; exit 1 ;;
  esac
}

started=$(date -u +%Y-%m-%dT%H:%MZ)
load=$(cut -d' ' -f1-3 /proc/loadavg)
for round in $(seq 1 "$rounds"); do
  for measure in "${measures[@]}"; do
    for server in "${servers[@]}"; do
      echo "# round $round of $rounds: $measure, $server"
      in_turn "$work/$round-$server" "$server" measure "$measure"
    done
  done
done

report() {
  machine "$started"
  echo "clients on the same machine; load averages at the start: $load."
  echo "Bulla $(commit) (${bin##*/} build); notary $(version_of notary); PostgreSQL $(version_of postgresql-15), \`fsync=on\`."
  echo "Command: \`BENCH_SERVERS='${servers[*]}' BENCH_MEASURES='${measures[*]}' BENCH_ROUNDS=$rounds BENCH_SECONDS=$seconds bench/publish.sh\`"
  echo
  "$HERE/table.awk" "$results"
  ended
  if [ -s "$work/memory" ]; then
    echo
    echo "Memory of the server after the publishes into 10,000 tags and the most that it held, in MiB, medians:"
    echo
    "$HERE/memory.awk" "$work/memory"
  fi
  if [ -s "$work/overtaken" ]; then
    echo
    echo "Tries that another client overtook in the measure of one repository, of all rounds:"
    awk '{ tries[$2] += $3 } END { for (server in tries) printf "%s%s %d", (n++ ? ", " : ""), server, tries[server]; print "." }' "$work/overtaken"
  fi
}
report >"$work/report.md"
echo
cat "$work/report.md"

write_page publish "$work/report.md"
errors=$(awk '{ sum += $4 } END { print sum + 0 }' "$results")
[ "$errors" = 0 ] || { echo "$errors requests failed: these figures do not count"; exit 1; }
