#!/bin/bash
# `bulla trust sign` and `notary addhash --publish` over a slow line: a relay with a rate
# and a delay each way (bench/line.py; not every kernel has netem).
#
#   bench/slow.sh           measures, and writes docs/performance.md
#
#   BENCH_TAGS=10000        signed before the clock starts
#   BENCH_ROUNDS=5          how often each
#   BENCH_RATE=10           Mbit/s, each way
#   BENCH_DELAY=20          ms, each way: half of a round trip
#   BENCH_WRITE=no          print the table only
#   BULLA_BIN_DIR           default: the release build
#
# Beside the time stands the least that the protocol needs: the new targets, as they are uploaded, at that rate, and
# four round trips.  Takes some 3 seconds a sign, and half a minute before.
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(dirname "$HERE")
. "$REPOSITORY/tests/peers/processes.sh"
. "$REPOSITORY/tests/peers/pki.sh"
. "$HERE/page.sh"
bin=$(realpath "${BULLA_BIN_DIR:-$REPOSITORY/target/release}")
tags=${BENCH_TAGS:-10000}
rounds=${BENCH_ROUNDS:-5}
rate=${BENCH_RATE:-10}
delay=${BENCH_DELAY:-20}
export TRUST_LOG_LEVEL=error
for program in "$bin/bulla" "$bin/bulla-server" "$bin/bulla-signer" notary; do
  command -v "$program" >/dev/null || { echo "$program is missing; binaries of ours: cargo build --release"; exit 1; }
done

work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-bench.XXXXXX")
chmod 711 "$work"
trap 'stop_children; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
pki_trust_server "$work/pki"

port=$(free_port)
export TRUST_STATE=$work/state TRUST_LISTEN=127.0.0.1:$port TRUST_AUTH=none BULLA_BIN_DIR=$bin
"$REPOSITORY/tests/start-for-e2e.sh" >"$work/server.log" 2>&1 &
CHILDREN+=($!)
wait_port "$port" $! bulla-server
far=$(free_port)
export NOTARY_ROOT_PASSPHRASE=bench-passphrase NOTARY_TARGETS_PASSPHRASE=bench-passphrase \
  NOTARY_SNAPSHOT_PASSPHRASE=bench-passphrase NOTARY_DELEGATION_PASSPHRASE=bench-passphrase \
  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE=bench-passphrase DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=bench-passphrase \
  DOCKER_CONTENT_TRUST_SERVER=https://localhost:$port NO_PROXY=localhost,127.0.0.1
repository=localhost:5000/bench/app
home=$work/notary-home
mkdir -p "$home/.docker/tls/localhost:$port"
cp "$TRUST_TLS_CA" "$home/.docker/tls/localhost:$port/ca.crt"
notary_of() { echo notary -s "$DOCKER_CONTENT_TRUST_SERVER" --tlscacert "$TRUST_TLS_CA" -d "$1/.docker/trust"; }
read -ra notary < <(notary_of "$home")
"${notary[@]}" init -p "$repository" >/dev/null
"${notary[@]}" key rotate "$repository" snapshot -r >/dev/null
"$HERE/client.py" stage "$home/.docker/trust/tuf/$repository/changelist" "$tags"
"${notary[@]}" publish "$repository" >/dev/null
cp -r "$home" "$work/bulla-home"

export DOCKER_CONTENT_TRUST_SERVER=https://localhost:$far
for client in notary bulla; do cp -r "$work/$client-home/.docker/tls/localhost:$port" "$work/$client-home/.docker/tls/localhost:$far"; done

# sign CLIENT NUMBER: seconds, processor seconds, MiB
sign() {
  local name=$1-$2 digest command says
  digest=$(printf %s "$1-$2" | sha256sum | cut -d' ' -f1)
  if [ "$1" = notary ]; then
    read -ra command < <(notary_of "$work/notary-home")
    command+=(addhash -p "$repository" "$name" 1000 --sha256 "$digest") says="Successfully published"
  else
    command=("$bin/bulla" trust sign "$repository:$name" --digest "sha256:$digest" --length 1000) says="Successfully signed"
  fi
  "$HERE/client.py" run --home "$work/$1-home" --says "$says" --variables $(env | grep -E '^(NOTARY_|DOCKER_CONTENT_|NO_PROXY=|PATH=)') -- "${command[@]}"
}
started=$(date -u +%Y-%m-%dT%H:%MZ)
load=$(cut -d' ' -f1-3 /proc/loadavg)
# one client after the other, so that neither has to fetch what the other one published
for client in notary bulla; do
  for number in $(seq 0 "$rounds"); do
    "$HERE/line.py" "$far" "$port" "$rate" "$delay" >"$work/line" &
    line=$!
    CHILDREN+=("$line")
    wait_port "$far" "$line" "the line"
    figures=$(sign "$client" "$number")
    kill "$line"
    wait "$line"
    read -r up down <"$work/line"
    # the first of each warms up
    [ "$number" = 0 ] || echo "$client $figures $up $down" | tee -a "$work/figures"
  done
done
needed=$(stat -c %s "$work/bulla-home/.docker/trust/tuf/$repository/metadata/targets.json")

{
  machine "$started"
  echo "load averages at the start: $load. Bulla $(commit) (${bin##*/} build); notary $(version_of notary)."
  echo "Command: \`BENCH_TAGS=$tags BENCH_ROUNDS=$rounds BENCH_RATE=$rate BENCH_DELAY=$delay bench/slow.sh\`"
  echo
  awk -v needed="$needed" -v rate="$rate" -v delay="$delay" -v tags="$tags" '
    { count[$1]++; seconds[$1, count[$1]] = $2; up[$1] += $5; down[$1] += $6 }
    function sorted(client,   i, j, n, swap) {
      n = count[client]
      for (i = 1; i <= n; i++) list[i] = seconds[client, i]
      for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (list[j] < list[i]) { swap = list[i]; list[i] = list[j]; list[j] = swap }
      return n
    }
    END {
      least = needed * 8 / (rate * 1e6) + 4 * 2 * delay / 1000
      printf "At least: %d bytes of targets at %s Mbit/s and four round trips of %d ms: %.3f s.\n\n", needed, rate, 2 * delay, least
      print "| one more tag, " rate " Mbit/s, " 2 * delay " ms | client | seconds: min | median | max | kB up | kB down | median to the least |"
      print "|---|---|---:|---:|---:|---:|---:|---:|"
      for (c = split("notary bulla", order, " "); c >= 1; c--) {
        n = sorted(order[c])
        middle = n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
        printf "| sign into %d tags | %s | %.3f | %.3f | %.3f | %.0f | %.0f | **%.2f** |\n", tags, order[c], list[1], middle, list[n], up[order[c]] / n / 1000, down[order[c]] / n / 1000, middle / least
      }
    }' "$work/figures"
} >"$work/report.md"
echo
cat "$work/report.md"
write_page slow "$work/report.md"
