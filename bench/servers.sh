# The servers that the benchmarks measure, and what is kept of a measurement.
# Sourced after processes.sh, engines.sh and nginx.sh; `bin`, `results` and `work` are the caller's.

# choose_servers DEFAULT: sets `servers` from BENCH_SERVERS, without what is not installed
choose_servers() {
  read -ra servers <<<"${BENCH_SERVERS:-$1}"
  if ! command -v notary-server >/dev/null || ! command -v notary-signer >/dev/null; then
    echo "the reference is not installed: it is left out"
    servers=("${servers[@]/#reference/}")
  fi
  if ! command -v nginx >/dev/null; then
    echo "nginx is not installed: it is left out"
    servers=("${servers[@]/#nginx/}")
  fi
  read -ra servers <<<"${servers[*]}"
}

# needs PROGRAM...: of ours
needs() {
  local program
  for program; do [ -x "$bin/$program" ] || { echo "$bin/$program is missing: cargo build --release first"; exit 1; }; done
}

# What the rates of bulla-server allow: a few clients of one address do the work of thousands here.  They go on counting.
RATES=$(printf '"%s": 1000000000, ' {address_requests,gun_reads,gun_publishes,gun_key_requests}_per_minute {gun,client}_new_keys_per_hour)

# start_bulla_server ADDRESS STORAGE TRUST_SERVICE [NAME]
start_bulla_server() { TRUST_LIMITS="{${RATES%, }}" start_server "$bin/bulla-server" "$@"; }

# start_peer NAME: a server and its signer with empty databases; sets URL.
start_peer() {
  local port
  port=$(free_port)
  URL=https://localhost:$port
  SIGNER_PORT=
  case $1 in
    reference)
      engine_start postgres "$TRUST_STATE/postgres" on
      reference_database signer
      reference_database server
      start_signer notary-signer "$(engine_storage signer)"
      start_server notary-server "127.0.0.1:$port" "$(engine_storage server)" "$(remote_trust)"
      ;;
    bulla-postgresql)
      engine_start postgres "$TRUST_STATE/postgres" on
      reference_database signer
      reference_database server
      start_signer "$bin/bulla-signer" "$(engine_storage signer)"
      start_bulla_server "127.0.0.1:$port" "$(engine_storage server)" "$(remote_trust)"
      ;;
    bulla-sqlite)
      start_signer "$bin/bulla-signer" "$(sqlite_storage signer)"
      start_bulla_server "127.0.0.1:$port" "$(sqlite_storage server)" "$(remote_trust)"
      ;;
    nginx) start_nginx "$port" ;;
    *) echo "no such server: $1" >&2; exit 1 ;;
  esac
}

# in_turn STATE SERVER COMMAND...: the command while SERVER runs with empty databases, its files in STATE.  The reference
# now and then ends by itself under load (a fault of Go in its log): its turn then counts for nothing and is taken
# again, three times at most, and `ended` says how often.
in_turn() {
  local server=$2 turn status
  export TRUST_STATE=$1
  shift 2
  for turn in 1 2 3; do
    mkdir -m 711 "$TRUST_STATE"
    set +e
    (
      set -e
      results=$work/turn
      : >"$results"
      trap 'stop_children; engine_stop' EXIT
      start_peer "$server"
      "$@" "$server"
    )
    status=$?
    set -e
    if [ $status = 0 ]; then
      cat "$work/turn" >>"$results"
      rm -rf "$TRUST_STATE"
      return 0
    fi
    [ "$server" = reference ] && grep -hm1 -E '^(fatal error|panic)' "$TRUST_STATE"/*.log >>"$work/ended" || return $status
    echo "# the reference ended by itself: $(tail -1 "$work/ended"); its turn is taken again"
    rm -rf "$TRUST_STATE"
  done
  return $status
}

# ended: what the report says of turns that were taken again
ended() {
  [ ! -s "$work/ended" ] || printf '\n%s\n' "Turns that were taken again because the reference ended by itself: $(wc -l <"$work/ended") ($(sort -u "$work/ended" | paste -sd';'))."
}

# record NAME MEASURE: takes the RESULT line from standard input, shows the rest on failure
record() {
  local output line
  output=$(cat)
  line=$(sed -n 's/^RESULT //p' <<<"$output")
  if [ -z "$line" ]; then
    echo "no result for $2 of $1:" >&2
    echo "$output" >&2
    exit 1
  fi
  echo "$1 $2 $line $(cut -d' ' -f1 /proc/loadavg)" >>"$results"
  printf '%-16s %-9s %9s/s  errors %s  ms min %s median %s p99 %s max %s\n' "$1" "$2" $line
}

# memory: what the server holds now and the most that it held, in MiB
memory() {
  awk -v name="$1" '/^VmRSS/ { now = $2 } /^VmHWM/ { most = $2 } END { printf "memory %s %.0f %.0f\n", name, now / 1024, most / 1024 }' \
    "/proc/$SERVER_PID/status" >>"$work/memory"
}
