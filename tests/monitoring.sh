#!/bin/bash
# The alerts and the dashboard of monitoring/ on a real Prometheus that asks our
# server and signer, while what they watch is broken.  TAP on standard output.
#
#   tests/monitoring.sh [STORY ...]    of rules, names, signer, database, canary, expiry, certificate, keys, open, other-key,
#                                      token, audit, slow, deltas, slow-signer, renewal, overtaken,
#                                      webhook
#
#   BULLA_BIN_DIR   where the binaries are (default: the debug build)
#   STORIES_KEEP=1  keep the work directories (all logs)
#   CI=true         what is missing is a failure, not a skip
#
# The rules are the shipped ones with their times made short.
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/required.sh"
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
. "$HERE/peers/pki.sh"
. "$HERE/peers/stories.sh"
. "$HERE/peers/halves.sh"
. "$HERE/peers/softhsm.sh"
. "$HERE/monitoring/keys.sh"
. "$HERE/monitoring/slow.sh"
MONITORING=$REPOSITORY/monitoring

# rules: what promtool says of the files
rules() {
  must promtool check rules --lint=all --lint-fatal "$MONITORING/alerts.yml"
  must promtool check config "$MONITORING/prometheus.yml"
  (cd "$MONITORING" && promtool test rules alerts.test.yml) || fail "promtool test rules"
  # each alert has a test at which it fires, says what to do, and how urgent it is
  local alert
  while read -r alert; do
    grep -q "alertname=\"$alert\"" "$MONITORING/alerts.test.yml" || fail "no test at which $alert fires"
  done < <(sed -n 's/^ *- alert: //p' "$MONITORING/alerts.yml")
  local alerts part
  alerts=$(grep -c '^ *- alert: ' "$MONITORING/alerts.yml")
  for part in 'for: ' 'labels: {severity: ' 'summary: "' 'description: "'; do
    expect "$(grep -c "^ *$part" "$MONITORING/alerts.yml")" "$alerts" "alerts with '$part'"
  done
}

# watched ENGINE [SECTIONS]: server, with more sections, and signer with metrics, traffic, and a Prometheus that asks both each 5 seconds, and no more
# often: without a database they answer after 3, and Prometheus waits no longer than it rests.  The signer is
# SIGNER_PROGRAM's, on tables of SIGNER_TABLES; STORAGE_MORE are further members of the server's storage.
watched() {
  engine_start "$1" "$TRUST_STATE/$1" && "${SIGNER_TABLES:-engine_database}" signer && engine_database server || fail "$1 did not start"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server | jq -c ". + ${STORAGE_MORE:-null}")
  WATCH=$(free_port) WATCH_SIGNER=$(free_port)
  SERVER_SECTIONS="\"metrics\": {\"http_addr\": \"127.0.0.1:$WATCH\"}, ${2:-}"
  SIGNER_MEMBERS=", \"http_addr\": \"127.0.0.1:$WATCH_SIGNER\""
  trust_address
  start_halves bulla "${SIGNER_PROGRAM:-bulla}"
  sed -E 's/^( *for:) .*/\1 0s/; s/\[[0-9]+[mh]\]/[20s]/g; s/offset [0-9]+[mh]/offset 20s/g; s/(undelivered_seconds\) >) 900/\1 20/' "$MONITORING/alerts.yml" >"$TRUST_STATE/alerts.yml"
  sed -E "s/scrape_interval: 15s/scrape_interval: 5s/; s/evaluation_interval: 15s/evaluation_interval: 1s/; s/127.0.0.1:9443/127.0.0.1:$WATCH/; s/127.0.0.1:9444/127.0.0.1:$WATCH_SIGNER/" \
    "$MONITORING/prometheus.yml" >"$TRUST_STATE/prometheus.yml"
  PROMETHEUS=$(free_port)
  prometheus --config.file="$TRUST_STATE/prometheus.yml" --storage.tsdb.path="$TRUST_STATE/prometheus" \
    --web.listen-address="127.0.0.1:$PROMETHEUS" >"$TRUST_STATE/prometheus.log" 2>&1 &
  CHILDREN+=($!)
  wait_port "$PROMETHEUS" $! prometheus || fail "prometheus did not start: $(tail -3 "$TRUST_STATE/prometheus.log")"
  GUN=watched.test/app
  must bulla_as publisher repo init -p "$GUN"
  must bulla_as publisher repo add-hash -p "$GUN" one 7 --sha256 "$(sha256_of one)"
  role targets >/dev/null || fail "what was published is not served"
}

# asked QUERY: what Prometheus answers, one sample a line
asked() {
  curl -sSf --noproxy '*' --max-time 10 --get "http://127.0.0.1:$PROMETHEUS/api/v1/query" --data-urlencode "query=$1" |
    jq -c '.data.result[]'
}
# firing: the names of the alerts that fire now
firing() {
  curl -sSf --noproxy '*' --max-time 10 "http://127.0.0.1:$PROMETHEUS/api/v1/alerts" |
    jq -r '.data.alerts[] | select(.state == "firing") | .labels.alertname' | sort -u
}

# fires ALERT...: all of them within two minutes
fires() {
  local alert _
  for _ in $(seq 1 240); do
    FIRING=$(firing)
    for alert in "$@"; do grep -qx "$alert" <<<"$FIRING" || { MISSING=$alert; sleep 0.5; continue 2; }; done
    note "fired: $*"
    return 0
  done
  fail "$MISSING does not fire; there are: $FIRING"
}

# quiet ALERT...: none of them fires within two minutes of what was mended
quiet() {
  local alert _
  for _ in $(seq 1 240); do
    FIRING=$(firing)
    for alert in "$@"; do grep -qx "$alert" <<<"$FIRING" && { sleep 0.5; continue 2; }; done
    return 0
  done
  fail "still firing: $FIRING"
}

# asked_twice: both have been asked, and the rules looked at, since
asked_twice() {
  local _
  for _ in $(seq 1 240); do
    [ "$(asked 'count(count_over_time(up[1m]) > 2)' | jq -r '.value[1]')" = 2 ] && return 0
    sleep 0.5
  done
  fail "prometheus does not ask both: $(asked up)"
}

# ready PORT [PATH]: the status of readiness, and its lines in READY
ready() { READY=$(curl -sS --noproxy '*' --max-time 10 -w '\n%{http_code}' "http://127.0.0.1:$1/${2:-ready}"); echo "$READY" >&2; tail -1 <<<"$READY"; }

lost_signer() {
  watched sqlite
  asked_twice
  expect "$(firing)" "" "what fires while all is well"
  kill -KILL "$SIGNER_PID"
  fires BullaSignerAway BullaSignerDown
  expect "$(ready "$WATCH") $(ready "$WATCH" 'ready?publish')" "200 503" "readiness to read, and to publish"
  role targets >/dev/null || fail "no reads without the signer"
  for tag in two three four; do
    bulla_as publisher repo add-hash -p "$GUN" $tag 7 --sha256 "$(sha256_of $tag)" && fail "published without a signer"
  done
  fires BullaPublishesFail BullaRequestsFail BullaSignerCallsFail
  SIGNER_PASSPHRASE=not-the-passphrase-it-was start_signer "$(program signer bulla)" "$SIGNER_STORAGE" || fail "the signer did not start again"
  fires BullaSignerAliasLocked BullaSignerNotReady
  kill -KILL "$SIGNER_PID"
  wait "$SIGNER_PID"
  start_signer "$(program signer bulla)" "$SIGNER_STORAGE" || fail "the signer did not start again"
  quiet BullaSignerAliasLocked BullaSignerAway BullaSignerDown BullaPublishesFail BullaRequestsFail BullaSignerCallsFail
}

lost_database() {
  watched postgres
  asked_twice
  local directory=$POSTGRES_DIR
  postgres_stop
  POSTGRES_DIR=$directory
  fires BullaDatabaseAway BullaSignerNotReady
  expect "$(ready "$WATCH") $(ready "$WATCH" live)" "503 200" "readiness and liveness"
  status_of "$GUN/_trust/tuf/timestamp.json" >/dev/null
  bulla_as publisher repo add-hash -p "$GUN" two 7 --sha256 "$(sha256_of two)"
  fires BullaRequestsFail
  postgres_again || fail "the database did not start again"
  quiet BullaDatabaseAway
  kill -KILL "$SERVER_PID"
  fires BullaServerDown
}

soon_expired() {
  # ten days of the three years of its targets are left
  MOVED=()
  watched sqlite
  MOVED=(LD_PRELOAD="$(clock_mover)" FAKETIME="-$(((3 * 365 - 10) * 86400))")
  must bulla_as old repo init -p watched.test/old
  asked_twice
  # the server looks a minute after its start
  fires BullaMetadataExpires
  [ -n "$(asked 'bulla_seconds_to_expiry{gun="watched.test/old", role="targets"} < 11 * 86400')" ] || fail "it is not named"
}

# the age of what waits is 15 minutes in the shipped rule, and 20 seconds here
waiting_webhook() {
  local hook
  openssl rand -base64 32 >"$TRUST_STATE/secret"
  chmod 600 "$TRUST_STATE/secret"
  hook=$(jq -nc --arg url "https://localhost:$(free_port)/" --arg secret "$TRUST_STATE/secret" \
    '[{name: "gone", $url, secret_file: $secret, allow_private_addresses: true}]')
  watched sqlite "\"webhooks\": $hook,"
  asked_twice
  fires BullaWebhookWaits
  asked 'bulla_webhook_attempts_failed_total{webhook="gone"} > 2' | grep -q . || fail "attempts that fail are not counted"
}

short_certificate() {
  # of two days, for the signer alone
  local old=$TRUST_TLS_CERT
  pki_key "$TRUST_STATE/short.key"
  openssl req -new -key "$TRUST_STATE/short.key" -subj /CN=short -out "$TRUST_STATE/short.csr" 2>/dev/null
  openssl x509 -req -in "$TRUST_STATE/short.csr" -CA "$WORK/pki/ca.crt" -CAkey "$WORK/pki/ca.key" -CAcreateserial -days 2 \
    -extfile "$WORK/pki/notary.test.ext" -out "$TRUST_STATE/short.pem" 2>/dev/null || fail "openssl"
  TRUST_TLS_CERT=$TRUST_STATE/short.pem TRUST_TLS_KEY=$TRUST_STATE/short.key
  watched sqlite
  TRUST_TLS_CERT=$old
  fires BullaCertificateEnds
}

# names: what rules and dashboard ask for is what the two tell
names() {
  SIGNER_SECTIONS='"canary": {"seconds": 1},'
  watched sqlite
  SIGNER_SECTIONS=
  role targets >/dev/null
  # keys are tried that there were not yet at the start
  local _
  for _ in $(seq 1 100); do
    curl -sS --noproxy '*' "http://127.0.0.1:$WATCH_SIGNER/metrics" | grep -q ^bulla_signer_key_canary_success && break
    sleep 0.1
  done
  curl -sSf --noproxy '*' "http://127.0.0.1:$WATCH/metrics" >"$TRUST_STATE/told" || fail "no metrics of the server"
  curl -sSf --noproxy '*' "http://127.0.0.1:$WATCH_SIGNER/metrics" >>"$TRUST_STATE/told" || fail "no metrics of the signer"
  expect "$(status_of ../metrics)" 404 "metrics at the address of clients"
  { sed -n 's/^ *expr: //p; s/^ *or sum/sum/p; s/^ *sum/sum/p' "$MONITORING/alerts.yml"; jq -r '.. | .expr? // empty' "$MONITORING/dashboard.json"; } |
    grep -oE '\bbulla_[a-z_]+' | sort -u >"$TRUST_STATE/asked"
  # an OpenMetrics type line leaves out what its kind adds
  sed -nE 's/^# TYPE ([a-z_]+) .*/\1/p' "$TRUST_STATE/told" >"$TRUST_STATE/families"
  local name family
  while read -r name; do
    family=$(sed -E 's/_(total|bucket|count|sum)$//' <<<"$name")
    grep -qx -e "$name" -e "$family" "$TRUST_STATE/families" || fail "nobody tells $name"
  done <"$TRUST_STATE/asked"
  note "$(wc -l <"$TRUST_STATE/asked") metrics asked for, all told"
  # each expression is one that Prometheus can answer
  local expression
  while read -r expression; do
    asked "${expression//\$__rate_interval/1m}" >/dev/null || fail "cannot be asked: $expression"
  done < <(jq -r '.. | .expr? // empty' "$MONITORING/dashboard.json")
}

for program in prometheus promtool jq openssl curl sqlite3 softhsm2-util notary-signer; do
  command -v "$program" >/dev/null || skip_all "$program is not installed: tests/install-peers.sh"
done
require_bulla bulla-server bulla-signer bulla
PKI_YEARS_AGO=4 stories_begin monitoring # one story publishes as if it were years ago
[ $# != 0 ] || set -- rules names signer database canary expiry certificate keys open other-key token audit slow deltas slow-signer renewal overtaken webhook
for story in "$@"; do
  case $story in
    rules) tell "$story" "each alert fires at what it is for, and at nothing else" rules ;;
    names) tell "$story" "alerts and dashboard ask for metrics that there are" names ;;
    signer) tell "$story" "a signer that is killed is told of, reads go on, and the alerts end with it" lost_signer ;;
    database) tell "$story" "a database that is stopped is told of, and a server that is killed" lost_database ;;
    canary) tell "$story" "a stored key that is damaged is told of while publishes go on, and until it is mended" damaged_key ;;
    expiry) tell "$story" "a repository that expires within days is told of by its name" soon_expired ;;
    certificate) tell "$story" "a certificate that ends within days is told of" short_certificate ;;
    keys) tell "$story" "a stranger at the signer, a key that is deleted and one that is damaged are told of" misused_keys ;;
    open) tell "$story" "a signer that takes anybody is told of" open_to_all ;;
    other-key) tell "$story" "a signer that has other keys than it says is told of" other_key ;;
    token) tell "$story" "a token that goes away is told of, and the alerts end when it is back" lost_token ;;
    audit) tell "$story" "heads of the audit chain that do not arrive are told of" lost_audit ;;
    slow) tell "$story" "a database that is slow, and connections that are used up, are told of" slow_store ;;
    deltas) tell "$story" "deltas that are wanted and not made are told of" waiting_deltas ;;
    slow-signer) tell "$story" "a signer that is slow, and one whose store does not answer, are told of" slow_signer ;;
    renewal) tell "$story" "timestamps that are not renewed are told of" not_renewed ;;
    webhook) tell "$story" "a receiver that takes no events is told of" waiting_webhook ;;
    overtaken) tell "$story" "publishes that lose again and again are told of, and go through afterwards" overtaken ;;
    *) echo "Bail out! unknown story $story"; exit 1 ;;
  esac
done
stories_end
