#!/bin/bash
# The client's benchmark: bulla beside docker and notary, whole processes on one
# repository of many tags, in turn, against one server.
#
#   bench/client.sh         measures, and writes docs/performance.md
#
#   BENCH_TAGS=10000        signed before the clock starts
#   BENCH_ROUNDS=7          how often each command
#   BENCH_SERVER=bulla      or reference: which server they all ask
#   BENCH_WRITE=no          print the table only
#   BULLA_BIN_DIR           default: the release build
#   DOCKER_CLI              docker's command line (default: the one in PATH, below 29)
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(dirname "$HERE")
. "$REPOSITORY/tests/peers/processes.sh"
. "$REPOSITORY/tests/peers/pki.sh"
. "$HERE/page.sh"
bin=$(realpath "${BULLA_BIN_DIR:-$REPOSITORY/target/release}")
tags=${BENCH_TAGS:-10000}
rounds=${BENCH_ROUNDS:-7}
server=${BENCH_SERVER:-bulla}
docker=${DOCKER_CLI:-docker}
export TRUST_LOG_LEVEL=error

"$REPOSITORY/tests/install-peers.sh" >/dev/null || true
for program in "$bin/bulla" "$bin/bulla-server" "$bin/bulla-signer" "$docker" notary; do
  command -v "$program" >/dev/null || { echo "$program is missing; binaries of ours: cargo build --release"; exit 1; }
done

work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-bench.XXXXXX")
chmod 711 "$work"
trap 'stop_children; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
pki_trust_server "$work/pki"
port=$(free_port)
export TRUST_STATE=$work/state TRUST_LISTEN=127.0.0.1:$port TRUST_AUTH=none BULLA_BIN_DIR=$bin
case $server in
  bulla) start=$REPOSITORY/tests/start-for-e2e.sh ;;
  reference) start=$REPOSITORY/tests/acceptance/reference-server.sh ;;
  *) echo "no such server: $server"; exit 1 ;;
esac
"$start" >"$work/server.log" 2>&1 &
CHILDREN+=($!)
wait_port "$port" $! "$server"

# one trust directory a client, made by notary, each with the repository's keys
export NOTARY_ROOT_PASSPHRASE=bench-passphrase NOTARY_TARGETS_PASSPHRASE=bench-passphrase \
  NOTARY_SNAPSHOT_PASSPHRASE=bench-passphrase NOTARY_DELEGATION_PASSPHRASE=bench-passphrase \
  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE=bench-passphrase DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=bench-passphrase \
  DOCKER_CONTENT_TRUST_SERVER=https://localhost:$port NO_PROXY=localhost,127.0.0.1
repository=localhost:5000/bench/app
home=$work/notary-home
mkdir -p "$home/.docker/tls/localhost:$port"
cp "$TRUST_TLS_CA" "$home/.docker/tls/localhost:$port/ca.crt"
notary_on() { HOME=$1 notary -s "$DOCKER_CONTENT_TRUST_SERVER" --tlscacert "$TRUST_TLS_CA" -d "$1/.docker/trust" "${@:2}"; }
notary_on "$home" init -p "$repository" >/dev/null
notary_on "$home" key rotate "$repository" snapshot -r >/dev/null
"$HERE/client.py" stage "$home/.docker/trust/tuf/$repository/changelist" "$tags"
notary_on "$home" publish "$repository" >/dev/null
for client in docker bulla; do cp -r "$home" "$work/$client-home"; done

started=$(date -u +%Y-%m-%dT%H:%MZ)
load=$(cut -d' ' -f1-3 /proc/loadavg)
"$HERE/client.py" measure --work "$work" --repository "$repository" --server "$DOCKER_CONTENT_TRUST_SERVER" --ca "$TRUST_TLS_CA" \
  --bulla "$bin/bulla" --docker "$docker" --tags "$tags" --rounds "$rounds" >"$work/table"

# docker signs with an engine and a registry: in the harness's namespaces
stop_children
if [ "$(id -u)" = 0 ] && command -v dockerd >/dev/null; then
  BENCH_TAGS=$tags BENCH_ROUNDS=$rounds BENCH_TABLE=$work/signing E2E_STORY=$HERE/client-signing.sh DOCKER_CLI=$(command -v "$docker") \
    BULLA_CLI=$bin/bulla START_SERVER_CMD=$(printf %q "$start") "$REPOSITORY/tests/acceptance/e2e.sh" >"$work/signing.log" 2>&1 ||
    { cat "$work/signing.log"; exit 1; }
  cat "$work/signing" >>"$work/table"
else
  echo "without root or dockerd docker's own signing is not measured"
fi

{
  machine "$started"
  echo "one server ($server) on the same machine; load averages at the start: $load."
  echo "Bulla $(commit) (${bin##*/} build); notary $(version_of notary); docker $("$docker" --version | grep -oE '[0-9.]+[0-9]' | head -1)."
  echo "Command: \`BENCH_TAGS=$tags BENCH_ROUNDS=$rounds BENCH_SERVER=$server bench/client.sh\`"
  echo
  cat "$work/table"
} >"$work/report.md"
echo
cat "$work/report.md"
# 10,000 tags are the main table, other sizes have one of their own if the page has a place for it
if [ "$tags" = 10000 ]; then part=client; else part=client-$tags; fi
write_page "$part" "$work/report.md"
