#!/bin/bash
# The signer's benchmark: Debian's notary-signer and bulla-signer in turn, each on a
# database of the reference's form in PostgreSQL with fsync on, both asked by
# the same compiled client (sign-load) over gRPC with mutual TLS, and ring alone.
#
#   bench/signer.sh         measures, and writes docs/performance.md
#
#   BENCH_SIGNERS="reference bulla"   which, in this order, each round; bulla has its audit
#                                     chain on the disk before each answer, bulla-relaxed
#                                     soon after, bulla-unchained has audit lines in its log only
#   BENCH_ALGORITHMS="ecdsa ed25519"  of the keys
#   BENCH_ROUNDS=3                    how often each
#   BENCH_SECONDS=10 BENCH_WARM_UP=2  length of each measurement, and what comes before it
#   BENCH_KEYS=64                     made before the clock starts, of snapshot and timestamp in turn
#   BENCH_CONNECTIONS=4 BENCH_IN_FLIGHT=16
#   BENCH_WRITE=no                    print the table only
#   BULLA_BIN_DIR                     default: the release build
#
# Processor time is that of /proc/PID/stat, of PostgreSQL that of all its
# processes. Audit lines of the log go into a file. One signature in a hundred is verified by the client.
set -eu
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(dirname "$HERE")
. "$REPOSITORY/tests/peers/processes.sh"
. "$REPOSITORY/tests/peers/engines.sh"
. "$REPOSITORY/tests/peers/pki.sh"
. "$HERE/page.sh"
bin=${BULLA_BIN_DIR:-$REPOSITORY/target/release}
rounds=${BENCH_ROUNDS:-3}
seconds=${BENCH_SECONDS:-10}
warm_up=${BENCH_WARM_UP:-2}
keys=${BENCH_KEYS:-64}
connections=${BENCH_CONNECTIONS:-4}
in_flight=${BENCH_IN_FLIGHT:-16}
read -ra algorithms <<<"${BENCH_ALGORITHMS:-ecdsa ed25519}"
read -ra signers <<<"${BENCH_SIGNERS:-reference bulla}"
export TRUST_LOG_LEVEL=error

"$REPOSITORY/tests/install-peers.sh" >/dev/null || true
if ! command -v notary-signer >/dev/null; then
  echo "the reference is not installed: Bulla is measured alone"
  signers=(bulla)
fi
for program in sign-load bulla-signer; do
  [ -x "$bin/$program" ] || { echo "$bin/$program is missing: cargo build --release -p bulla-signer -p e2e first"; exit 1; }
done

work=$(mktemp -d "${TMPDIR:-/tmp}/bulla-bench.XXXXXX")
chmod 711 "$work"
clean_up() { stop_children; engine_stop; rm -rf "$work"; }
trap clean_up EXIT
trap 'exit 130' INT TERM
pki_trust_server "$work/pki"
results=$work/results
: >"$results"

# start_peer NAME: a signer on an empty database of the reference's form
start_peer() {
  SIGNER_PORT=
  engine_start postgres "$TRUST_STATE/postgres" on
  reference_database signer
  case $1 in
    reference) start_signer notary-signer "$(engine_storage signer)" ;;
    bulla) start_signer "$bin/bulla-signer" "$(engine_storage signer), $(audit true)" ;;
    bulla-relaxed) start_signer "$bin/bulla-signer" "$(engine_storage signer), $(audit false)" ;;
    bulla-unchained) start_signer "$bin/bulla-signer" "$(engine_storage signer)" ;;
    *) echo "no such signer: $1"; exit 1 ;;
  esac
}

# audit true|false: the audit section; whether records are on the disk before answers leave
audit() { printf '"audit": {"directory": "%s", "signer": "bench", "sync": "%s"}' "$TRUST_STATE/audit" "$1"; }

# record SIGNER ALGORITHM FILE: a line of figures; the rest of the output on failure
record() {
  local result signer_cpu postgres_cpu client_cpu
  result=$(sed -n 's/^RESULT //p' "$3")
  cpu() { sed -n "s/^CPU $1 //p" "$2"; }
  signer_cpu=$(cpu signer "$3") postgres_cpu=$(cpu postgres "$3") client_cpu=$(cpu client "$3")
  [ -n "$result" ] && [ -n "$postgres_cpu" ] || { echo "no result of $1:" >&2; cat "$3" >&2; exit 1; }
  echo "$1 $2 $result $signer_cpu $postgres_cpu $client_cpu" >>"$results"
  printf '%-10s %-8s %9s/s  errors %s  ms min %s median %s p99 %s max %s' "$1" "$2" $result
  printf '  us/call signer %s postgres %s client %s\n' "$signer_cpu" "$postgres_cpu" "$client_cpu"
  grep ^REFUSED "$3" || true
}

started=$(date -u +%Y-%m-%dT%H:%MZ)
load=$(cut -d' ' -f1-3 /proc/loadavg)
for round in $(seq 1 "$rounds"); do
  for algorithm in "${algorithms[@]}"; do
    alone=$("$bin/sign-load" alone --algorithm "$algorithm" --seconds 3)
    echo "ring $algorithm ${alone#ALONE }" >>"$results"
    printf '%-10s %-8s %9s/s of one processor\n' ring "$algorithm" "${alone#ALONE }"
  done
  for signer in "${signers[@]}"; do
    export TRUST_STATE=$work/$round-$signer
    mkdir -p "$TRUST_STATE"
    chmod 711 "$TRUST_STATE"
    echo "# round $round of $rounds: $signer"
    start_peer "$signer"
    target=(--signer "localhost:$SIGNER_PORT" --ca "$TRUST_TLS_CA" --certificate "$TRUST_TLS_CERT" --key "$TRUST_TLS_KEY")
    postmaster=$(head -1 "$POSTGRES_DIR/data/postmaster.pid")
    for algorithm in "${algorithms[@]}"; do
      "$bin/sign-load" keys "${target[@]}" --keys "$keys" --algorithm "$algorithm" --file "$TRUST_STATE/$algorithm.keys"
      "$bin/sign-load" run "${target[@]}" --file "$TRUST_STATE/$algorithm.keys" --connections "$connections" --in-flight "$in_flight" \
        --warm-up "$warm_up" --seconds "$seconds" --verify-every 100 \
        --process "signer=$SIGNER_PID" --process "postgres=$postmaster" >"$TRUST_STATE/$algorithm.figures"
      record "$signer" "$algorithm" "$TRUST_STATE/$algorithm.figures"
    done
    stop_children
    engine_stop
    rm -rf "$TRUST_STATE"
  done
done

report() {
  machine "$started"
  echo "client and PostgreSQL on the same machine; load averages at the start: $load."
  echo "Bulla $(commit) (${bin##*/} build);"
  echo "notary $(version_of notary), both on PostgreSQL $(version_of postgresql-15), \`fsync=on\`."
  echo "Command: \`BENCH_SIGNERS='${signers[*]}' BENCH_ALGORITHMS='${algorithms[*]}' BENCH_ROUNDS=$rounds BENCH_SECONDS=$seconds BENCH_WARM_UP=$warm_up BENCH_KEYS=$keys BENCH_CONNECTIONS=$connections BENCH_IN_FLIGHT=$in_flight bench/signer.sh\`"
  echo
  "$HERE/signer-table.awk" "$results"
}
report >"$work/report.md"
echo
cat "$work/report.md"

write_page signer "$work/report.md"
errors=$(awk '$1 != "ring" { sum += $4 } END { print sum + 0 }' "$results")
[ "$errors" = 0 ] || { echo "$errors signatures failed: these figures do not count"; exit 1; }
