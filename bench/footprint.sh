#!/bin/bash
# What a server takes: the size of its program, the time until it answers, its memory
# at rest, and what 10,000 signed tags leave in its database.
#
#   bench/footprint.sh      measures, and writes docs/performance.md
#
#   BENCH_SERVERS="reference bulla-postgresql bulla-sqlite"   which, in this order
#   BENCH_ROUNDS=5                    starts of each on the database that it has
#   BENCH_SIGNS=10000                 uploads, into 8 repositories of 100 tags
#   BENCH_WRITE=no                    print the tables only
#   BULLA_BIN_DIR                     default: the release build
#
# Of PostgreSQL what its tables and their indexes take after a vacuum, of SQLite the file after
# a checkpoint.  10,000 uploads are 150 MB in TMPDIR and take some four minutes of the reference.
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(dirname "$HERE")
. "$REPOSITORY/tests/peers/processes.sh"
. "$REPOSITORY/tests/peers/engines.sh"
. "$REPOSITORY/tests/peers/pki.sh"
. "$HERE/page.sh"
. "$HERE/servers.sh"
bin=${BULLA_BIN_DIR:-$REPOSITORY/target/release}
rounds=${BENCH_ROUNDS:-5}
signs=${BENCH_SIGNS:-10000}
export TRUST_LOG_LEVEL=error
choose_servers "reference bulla-postgresql bulla-sqlite"
needs bulla-bench bulla-server bulla-signer

work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-bench.XXXXXX")
chmod 711 "$work"
clean_up() { stop_children; engine_stop; rm -rf "$work"; }
trap clean_up EXIT
trap 'exit 130' INT TERM
pki_trust_server "$work/pki"

sql() {
  if [ "$server" = bulla-sqlite ]; then sqlite3 -cmd '.timeout 60000' "$TRUST_STATE/bulla-server.db"; else engine_sql notaryserver; fi
}

# restart: the server on the database that it has; milliseconds until it answered its first request
restart() {
  kill "$SERVER_PID"
  wait "$SERVER_PID" 2>/dev/null || true
  python3 - "$program" "$TRUST_STATE/server.json" "$URL/v2/" <<'PYTHON'
import ssl, subprocess, sys, time, urllib.request
context = ssl._create_unverified_context()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
started = time.monotonic()
server = subprocess.Popen([sys.argv[1], "-config", sys.argv[2]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while time.monotonic() < started + 30:
    try:
        opener.open(sys.argv[3]).read()
        break
    except OSError:
        time.sleep(0.001)
print(server.pid, round(1000 * (time.monotonic() - started), 1))
PYTHON
}

# stored: bytes of the files, and of the whole database with its indexes
stored() {
  if [ "$server" = bulla-sqlite ]; then
    echo "pragma wal_checkpoint(truncate);" | sql >/dev/null
    echo "select count(*) || ' ' || sum(length(data)) || ' ' || $(stat -c %s "$TRUST_STATE/bulla-server.db") from tuf_files;" | sql
  else
    echo "vacuum" | sql >/dev/null
    echo "select count(*) || ' ' || sum(length(data)) || ' ' || (select sum(pg_total_relation_size(c.oid)) from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and n.nspname = 'public') from tuf_files" | sql
  fi
}

# pruned: what is stored when all that is superseded was so for two days, and was removed; of the reference nothing can be
pruned() {
  [ "$server" != reference ] || { echo "- - -"; return; }
  if [ "$server" = bulla-sqlite ]; then
    echo "update tuf_files set created_at = created_at - 2 * 86400 * 1000000;" | sql
  else
    echo "update tuf_files set created_at = created_at - interval '2 days'" | sql
  fi
  "$bin/bulla-server" -config "$TRUST_STATE/server.json" admin prune --superseded-days 1 >>"$TRUST_STATE/pruned" 2>&1 ||
    { tail -3 "$TRUST_STATE/pruned" >&2; exit 1; }
  if [ "$server" = bulla-sqlite ]; then echo "vacuum;" | sql; else echo "vacuum full tuf_files" | sql; fi
  stored
}

resident() { awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }

# measure SERVER
measure() {
  local program=$bin/bulla-server signer=$bin/bulla-signer milliseconds target
  server=$1
  [ "$server" != reference ] || program=$(command -v notary-server) signer=$(command -v notary-signer)
  target=(--url "$URL" --ca "$TRUST_TLS_CA" --directory "$TRUST_STATE/uploads")
  "$bin/bulla-bench" prepare "${target[@]}" --repositories 8 --tags 100 --updates $((signs / 8)) >/dev/null
  "$bin/bulla-bench" replay "${target[@]}" --clients 8 --seconds 3600 >"$TRUST_STATE/replay"
  rm -r "$TRUST_STATE/uploads"
  for _ in $(seq 1 "$rounds"); do
    read -r SERVER_PID milliseconds < <(restart)
    CHILDREN+=("$SERVER_PID")
    echo "$server $milliseconds" >>"$work/starts"
  done
  echo "$server $(stat -Lc %s "$program") $(stat -Lc %s "$signer") $(resident "$SERVER_PID") $(resident "$SIGNER_PID") $(stored) $(pruned)" | tee -a "$work/sizes"
}

results=$work/results
touch "$results"
started=$(date -u +%Y-%m-%dT%H:%MZ)
load=$(cut -d' ' -f1-3 /proc/loadavg)
for server in "${servers[@]}"; do
  echo "# $server"
  in_turn "$work/$server" "$server" measure
done

{
  machine "$started"
  echo "load averages at the start: $load. Bulla $(commit) (${bin##*/} build); notary $(version_of notary); PostgreSQL $(version_of postgresql-15)."
  echo "Command: \`BENCH_SERVERS='${servers[*]}' BENCH_ROUNDS=$rounds BENCH_SIGNS=$signs bench/footprint.sh\`"
  echo
  echo "| start until the first answer | server | milliseconds: min | median | max |"
  echo "|---|---|---:|---:|---:|"
  for server in "${servers[@]}"; do
    sed -n "s/^$server //p" "$work/starts" | sort -n | awk -v server="$server" '
      { value[NR] = $1 }
      END { printf "| on a database of its own | %s | %.0f | %.0f | %.0f |\n", server, value[1], NR % 2 ? value[(NR + 1) / 2] : (value[NR / 2] + value[NR / 2 + 1]) / 2, value[NR] }'
  done
  echo
  echo "| server | program (MB) | its signer (MB) | memory after the start (MiB) | its signer after $signs publishes (MiB) | rows | documents (MB) | stored with indexes (MB) | bytes a publish | pruned: rows | documents (MB) | stored with indexes (MB) |"
  echo "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
  awk -v signs="$signs" '{ printf "| %s | %.1f | %.1f | %s | %s | %d | %.1f | %.1f | %.0f | %s | %s | %s |\n", $1, $2 / 1e6, $3 / 1e6, $4, $5, $6, $7 / 1e6, $8 / 1e6, $8 / signs, $9, $10 == "-" ? "-" : sprintf("%.1f", $10 / 1e6), $11 == "-" ? "-" : sprintf("%.1f", $11 / 1e6) }' "$work/sizes"
  ended
} >"$work/report.md"
echo
cat "$work/report.md"
write_page footprint "$work/report.md"
