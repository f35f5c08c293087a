#!/bin/bash
# Micro-benchmarks of the core (benches/ of tuf-schema, server, signer and client): no server, no network, no disk.
#
#   bench/core.sh           measures, and writes docs/performance.md
#
#   BENCH_ROUNDS=11 BENCH_MILLISECONDS=50   of each measure, at least
#   BENCH_PROFILE=bench                     how it is built; dev to try it out
#   BENCH_WRITE=no                          print the table only
#
# Takes some two minutes, after its build.
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(dirname "$HERE")
. "$HERE/page.sh"
rounds=${BENCH_ROUNDS:-11}
milliseconds=${BENCH_MILLISECONDS:-50}
work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
started=$(date -u +%Y-%m-%dT%H:%MZ)
load=$(cut -d' ' -f1-3 /proc/loadavg)
for measured in "tuf-schema documents" "bulla-server publish" "bulla key_files" \
  "bulla-signer sealed_keys --features measuring"; do
  read -r crate bench features <<<"$measured"
  (cd "$REPOSITORY" && cargo bench --locked -p "$crate" --bench "$bench" $features --profile "${BENCH_PROFILE:-bench}" -- "$rounds" "$milliseconds") |
    tee -a "$work/figures"
done
{
  machine "$started"
  echo "load averages at the start: $load. Bulla $(commit) (profile ${BENCH_PROFILE:-bench})."
  echo "Command: \`BENCH_ROUNDS=$rounds BENCH_MILLISECONDS=$milliseconds bench/core.sh\`"
  echo
  echo "| work | size | microseconds: min | median | max |"
  echo "|---|---|---:|---:|---:|"
  # measures together, sizes below them
  sed -n 's/^MICRO //p' "$work/figures" | awk -F '|' '
    !($1 in rows) { order[++n] = $1 }
    { rows[$1] = rows[$1] "| " $1 " | " $2 " | " $3 " | " $4 " | " $5 " |\n" }
    END { for (i = 1; i <= n; i++) printf "%s", rows[order[i]] }'
} >"$work/report.md"
echo
cat "$work/report.md"
write_page core "$work/report.md"
