#!/bin/bash
# What a request costs as the database grows: processor time of server and database,
# and statements sent to it, for reads by name and by hash, pull checks, and publishes; and with several replicas.
#
#   bench/growth.sh         measures, and writes docs/performance.md
#
#   BENCH_SERVERS="bulla-postgresql bulla-sqlite"   reference, too
#   BENCH_ROWS="10 1000 100000 1000000"             of tuf_files, made by SQL from the rows of one repository
#   BENCH_REPLICAS="2 4"                            of bulla-postgresql, on BENCH_ROWS_REPLICAS=1000 rows; "" for none
#   BENCH_ROUNDS=3                                  how often each, on the same rows
#   BENCH_SECONDS=5                                 length of each measurement
#   BENCH_WRITE=no                                  print the table only
#   BULLA_BIN_DIR                                   default: the release build
#
# Documents are of 10 tags, some 1 kB; 1,000,000 rows are 2 to 3 GB in TMPDIR and one to three
# minutes.  The rest is (rows and replicas of all servers) times BENCH_ROUNDS times four times BENCH_SECONDS.
# Statements are counted by pg_stat_statements, begin and commit among them; of SQLite there are none to count.
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
seconds=${BENCH_SECONDS:-5}
read -ra sizes <<<"${BENCH_ROWS:-10 1000 100000 1000000}"
read -ra replicas <<<"${BENCH_REPLICAS-2 4}"
export TRUST_LOG_LEVEL=error POSTGRES_MORE="-c shared_preload_libraries=pg_stat_statements -c max_wal_size=4GB"
choose_servers "bulla-postgresql bulla-sqlite"
needs bulla-bench bulla-server bulla-signer

work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-bench.XXXXXX")
chmod 711 "$work"
clean_up() { stop_children; engine_stop; rm -rf "$work"; }
trap clean_up EXIT
trap 'exit 130' INT TERM
pki_trust_server "$work/pki"
results=$work/results
touch "$results"

# sql: the statements on standard input, of the server's database
sql() {
  if [ "$server" = bulla-sqlite ]; then sqlite3 -cmd '.timeout 60000' "$TRUST_STATE/bulla-server.db"; else engine_sql notaryserver; fi
}

# fill ROWS: copies of the four rows of the first repository under other names
fill() {
  local more=$((($1 - 4) / 4)) numbers now=
  [ "$more" -gt 0 ] || return 0
  if [ "$server" = bulla-sqlite ]; then
    numbers="(with recursive counted(n) as (select 1 union all select n + 1 from counted where n < $more) select n from counted)"
    now="cast(strftime('%s', 'now') as integer) * 1000000"
  else
    numbers="(select n from generate_series(1, $more) n)"
    now="(extract(epoch from now()) * 1000000)::bigint"
  fi
  {
    echo "insert into tuf_files (created_at, updated_at, gun, role, version, data, sha256)
      select created_at, updated_at, 'bench.test/fill-' || n, role, version, data, sha256
      from $numbers numbers, (select * from tuf_files where gun like 'bench.test/live-%' and version = 1) rows;
      insert into changefeed (created_at, gun, version, sha256) select created_at, 'bench.test/fill-' || n, version, sha256
      from $numbers numbers, (select * from tuf_files where gun like 'bench.test/live-%' and version = 1 and role = 'timestamp') rows;"
    [ "$server" = reference ] || echo "insert into bulla_repositories (gun, used_at) select 'bench.test/fill-' || n, $now from $numbers numbers;"
    echo "analyze;"
    # no checkpoint of what was written and no vacuum of any table is left for the measurement
    [ "$server" = bulla-sqlite ] || echo "vacuum; checkpoint;"
  } | sql >/dev/null
}

# used: processor time so far of the replicas and of the database, in ticks of 10 ms
used() {
  local pids=("${replica_pids[@]}") postmaster
  if [ "$server" != bulla-sqlite ]; then
    postmaster=$(head -1 "$POSTGRES_DIR/data/postmaster.pid")
    mapfile -t -O ${#pids[@]} pids < <(echo "$postmaster"; pgrep -P "$postmaster")
  fi
  # of children that ended, too; their name may hold anything
  for pid in "${pids[@]}"; do sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null || true; done | awk '{ sum += $12 + $13 + $14 + $15 } END { print sum + 0 }'
}

# statements: sent to the server's database so far
statements() {
  [ "$server" != bulla-sqlite ] || { echo 0; return; }
  echo "select coalesce(sum(calls), 0) from pg_stat_statements s join pg_database d on d.oid = s.dbid where d.datname = 'notaryserver'" | engine_sql postgres
}

# on_each COMMAND...: of all replicas at the same time, their addresses as its last word; the sum of their rates
on_each() {
  local url pids=()
  for url in "${urls[@]}"; do "$@" "$url" >"$TRUST_STATE/rate.${url##*:}" 2>&1 & pids+=($!); done
  wait "${pids[@]}" || grep -hv ^RESULT "$TRUST_STATE"/rate.* >&2
  cat "$TRUST_STATE"/rate.* | awk '$1 == "RESULT" { rate += $2; errors += $3 } END { print rate + 0, errors + 0 }'
  rm "$TRUST_STATE"/rate.*
}

reading() { read_paths timestamps "$1"; }
hashing() { read_paths hashes "$1"; }
pulling() { read_paths pulls "$1"; }
read_paths() { BENCH_PATHS=$work/$1 wrk -c$((16 / ${#urls[@]})) -t1 -d"${seconds}s" --latency -s "$HERE/read.lua" "$2"; }
publishing() {
  "$bin/bulla-bench" mixed --url "$1" --ca "$TRUST_TLS_CA" --reads 0 --publishes 1 --rotations 0 --repositories 1 --tags 10 \
    --clients $((8 / ${#urls[@]})) --seconds "$seconds"
}

# measure LABEL: reads and publishes, what they cost
measure() {
  local kind used_before statements_before rate errors
  # reads first: publishes add rows
  for kind in $(printf "reading %.0s" $(seq 1 "$rounds")) $(printf "hashing %.0s" $(seq 1 "$rounds")) $(printf "pulling %.0s" $(seq 1 "$rounds")) $(printf "publishing %.0s" $(seq 1 "$rounds")); do
    used_before=$(used) statements_before=$(statements)
    read -r rate errors < <(on_each $kind)
    [ "$errors" = 0 ] && [ "$rate" != 0 ] || { echo "$kind of $server, $1: $errors errors, $rate a second" >&2; exit 1; }
    echo "$kind $server $1 $rate $(($(used) - used_before)) $(($(statements) - statements_before))" |
      awk -v seconds="$seconds" '{ requests = $4 * seconds / ($1 == "pulling" ? 4 : 1); printf "%s %s %s %.1f %.2f\n", $1, $2, $3, $5 * 10000 / requests, $6 / requests }' | tee -a "$results"
  done
}

# start ROWS: a server with the rows of one repository and copies of them
start() {
  export TRUST_STATE=$work/$server
  mkdir -m 711 "$TRUST_STATE"
  start_peer "$server"
  [ "$server" = bulla-sqlite ] || echo "create extension pg_stat_statements" | engine_sql postgres
  "$bin/bulla-bench" mixed --url "$URL" --ca "$TRUST_TLS_CA" --repositories 1 --clients 1 --tags 10 --seconds 0 >/dev/null
  urls=("$URL") replica_pids=("$SERVER_PID")
  echo "select distinct gun from tuf_files" | sql | sed 's|.*|/v2/&/_trust/tuf/timestamp.json|' >"$work/timestamps"
  # what the newest timestamp leads to
  echo "select gun || '/_trust/tuf/targets.' || sha256 from tuf_files where role = 'targets'" | sql | sed 's|.*|/v2/&.json|' >"$work/hashes"
  # what a client asks for that holds nothing, a request a line
  echo "select gun || '/_trust/tuf/root;' || gun || '/_trust/tuf/timestamp;'
    || gun || '/_trust/tuf/snapshot.' || (select sha256 from tuf_files s where s.gun = t.gun and s.role = 'snapshot') || ';'
    || gun || '/_trust/tuf/targets.' || sha256 from tuf_files t where role = 'targets'" | sql | tr ';' '\n' | sed 's|.*|/v2/&.json|' >"$work/pulls"
  fill "$1"
}

stop() {
  stop_children
  engine_stop
  rm -rf "$TRUST_STATE"
}

started=$(date -u +%Y-%m-%dT%H:%MZ)
load=$(cut -d' ' -f1-3 /proc/loadavg)
for server in "${servers[@]}"; do
  for rows in "${sizes[@]}"; do
    echo "# $server, $rows rows"
    start "$rows"
    measure "$rows"
    stop
  done
done
server=bulla-postgresql
for count in "${replicas[@]}"; do
  echo "# $server, $count replicas"
  start "${BENCH_ROWS_REPLICAS:-1000}"
  for number in $(seq 2 "$count"); do
    port=$(free_port)
    start_bulla_server "127.0.0.1:$port" "$(engine_storage server)" "$(remote_trust)" "replica-$number"
    urls+=("https://localhost:$port") replica_pids+=("$SERVER_PID")
  done
  measure "$count-replicas"
  stop
done

{
  machine "$started"
  echo "load averages at the start: $load. Bulla $(commit) (${bin##*/} build); PostgreSQL $(version_of postgresql-15), \`fsync=on\`."
  echo "Command: \`BENCH_SERVERS='${servers[*]}' BENCH_ROWS='${sizes[*]}' BENCH_REPLICAS='${replicas[*]}' BENCH_ROUNDS=$rounds BENCH_SECONDS=$seconds bench/growth.sh\`"
  echo
  "$HERE/growth-table.awk" "$results"
} >"$work/report.md"
echo
cat "$work/report.md"
write_page growth "$work/report.md"
