#!/bin/bash
# The console in a real browser without a screen: what its pages show of what
# the reference's client published, by keyboard alone, without an error in the
# browser's console.  TAP.
#
#   tests/console.sh
#
#   CONSOLE_PICTURES=DIR  where pictures of the pages go (default: nowhere)
#   BULLA_BIN_DIR         where the binaries are (default: the debug build)
#   STORIES_KEEP=1        keep the work directories (all logs)
#   CI=true               what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/required.sh"
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
. "$HERE/peers/pki.sh"
. "$HERE/peers/stories.sh"
. "$HERE/peers/halves.sh"

shown() {
  local name number
  engine_start sqlite "$TRUST_STATE/sqlite" && engine_database signer && engine_database server || fail "no database"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  CONSOLE=$(free_port)
  (umask 077 && openssl rand -hex 32 >"$TRUST_STATE/console-token") || fail "no token"
  SERVER_SECTIONS="\"console\": {\"http_addr\": \"127.0.0.1:$CONSOLE\", \"token_file\": \"$TRUST_STATE/console-token\"},"
  trust_address
  start_halves bulla bulla
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=alice -keyout "$TRUST_STATE/alice.key" \
    -out "$TRUST_STATE/alice.pem" 2>/dev/null || fail "no certificate"
  for name in acme.test/shop/web acme.test/shop/api acme.test/tools; do
    GUN=$name publish_tag owner 1.0
  done
  GUN=acme.test/shop/web
  must notary_as owner key rotate "$GUN" snapshot -r
  for name in targets/alice targets/releases; do
    must notary_as owner delegation add -p "$GUN" "$name" "$TRUST_STATE/alice.pem" --all-paths
  done
  for number in 1 2 3; do publish_tag owner "1.$number"; done
  must notary_as owner delete --remote acme.test/tools
  must /usr/bin/python3 "$HERE/console/look.py" "http://127.0.0.1:$CONSOLE" "$TRUST_STATE/console-token" "$URL" "$TRUST_TLS_CA" "$GUN"
  # nothing of the token is in the log, and who looked is
  grep -q '"msg":"console"' "$TRUST_STATE"/server*.log || fail "nobody is told who looked"
  ! grep -rqF "$(cat "$TRUST_STATE/console-token")" "$TRUST_STATE"/*.log || fail "the token is in a log"
}

# asked SCHEME TOKEN-FILE: the status of the list to who knows that token
asked() {
  curl -sS --noproxy '*' --cacert "$TRUST_TLS_CA" --max-time 10 -o /dev/null -w '%{http_code}' -K - "$1://localhost:$CONSOLE/" \
    <<<"header = \"Authorization: Bearer $(cat "$TRUST_STATE/$2")\""
}

reached_by_others() {
  local said
  engine_start sqlite "$TRUST_STATE/sqlite" && engine_database signer && engine_database server || fail "no database"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  CONSOLE=$(free_port)
  (umask 077 && openssl rand -hex 32 >"$TRUST_STATE/console-token") || fail "no token"
  SERVER_SECTIONS="\"console\": {\"http_addr\": \":$CONSOLE\", \"token_file\": \"$TRUST_STATE/console-token\"},"
  trust_address
  start_halves bulla bulla
  expect "$(asked https console-token)" 200 "over TLS"
  expect "$(asked http console-token 2>/dev/null)" 000 "in the clear"
  cp "$TRUST_STATE/console-token" "$TRUST_STATE/old-token"
  openssl rand -hex 32 >"$TRUST_STATE/console-token"
  kill -HUP "$SERVER_PID"
  for _ in $(seq 1 100); do [ "$(asked https console-token)" = 200 ] && break; sleep 0.1; done
  expect "$(asked https console-token) $(asked https old-token)" "200 401" "with the new token, and the old one"
  # without a certificate it does not start there
  jq 'del(.server.tls_cert_file, .server.tls_key_file)' "$TRUST_STATE/server.json" >"$TRUST_STATE/open.json"
  said=$("$BULLA_BIN_DIR/bulla-server" -config "$TRUST_STATE/open.json" 2>&1) && fail "it starts without a certificate"
  grep -q "is reached by other machines, and the server has no certificate" <<<"$said" || fail "refused for another reason: $said"
}

require_peers chromium chromium-driver python3-selenium
require_bulla bulla-server bulla-signer bulla
peer_versions
stories_begin console
tell console "a browser shows what is published, by keyboard alone and without an error" shown
tell others "an address that others reach has TLS, and a new token counts at once" reached_by_others
stories_end
