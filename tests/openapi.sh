#!/bin/bash
# The description of the API held against a running server by schemathesis: what
# is described can be asked for, and every answer is one that is described.  TAP.
#
#   tests/openapi.sh [STORY ...]   of open, closed
#
#   OPENAPI_EXAMPLES=n  requests of each kind for each operation (default 60)
#   OPENAPI_SEED=n      which ones (default 1)
#   BULLA_BIN_DIR       where the binaries are (default: the debug build)
#   STORIES_KEEP=1      keep the work directories (all logs)
#   CI=true             what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/required.sh"
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
. "$HERE/peers/pki.sh"
. "$HERE/peers/stories.sh"
. "$HERE/peers/halves.sh"
. "$HERE/peers/python.sh"
EXAMPLES=${OPENAPI_EXAMPLES:-60}
SEED=${OPENAPI_SEED:-1}
export TRUST_LOG_LEVEL=info
TRUST_LIMITS='{"client_requests_per_minute": 0}'

# held_against: the server's own description and the server
held_against() {
  must curl -sSf --noproxy '*' --cacert "$TRUST_TLS_CA" --max-time 10 -o "$TRUST_STATE/openapi.json" "$URL/openapi.json"
  NO_PROXY='*' must "$PYTHON" -m schemathesis.cli --config-file "$HERE/openapi/schemathesis.toml" run "$TRUST_STATE/openapi.json" --url "$URL" --tls-verify "$TRUST_TLS_CA" \
    --phases examples,coverage,fuzzing --max-examples "$EXAMPLES" --seed "$SEED" --warnings off \
    --generation-database none --no-color --request-timeout 20
  note "$(grep -E 'Operations:|Selected:|Tested:' <<<"$OUT" | xargs)"
  note "$(grep -E 'generated|passed' <<<"$OUT" | tail -2 | xargs)"
  status_of '' >/dev/null || fail "the server does not answer any more"
  ! grep -q panicked "$TRUST_STATE"/server*.log || fail "the server panicked"
}

started() {
  engine_start sqlite "$TRUST_STATE/sqlite" && engine_database signer && engine_database server || fail "no database"
  SIGNER_STORAGE=$(engine_storage signer) SERVER_STORAGE=$(engine_storage server)
  trust_address
  start_halves bulla bulla
}

open() {
  started
  # the repository of the description's examples
  GUN=$(sed -n 's/.*"examples": \["\(registry[^"]*\)"\].*/\1/p' "$REPOSITORY/server/src/http/openapi/parameters.rs")
  publish_tag owner one
  must notary_as owner key rotate "$GUN" snapshot -r
  held_against
}

closed() {
  SERVER_SECTIONS="\"auth\": {\"type\": \"token\", \"options\": {\"realm\": \"https://auth.test/token\", \"service\": \"test\", \"issuer\": \"test\", \"rootcertbundle\": \"$TRUST_TLS_CA\"}},"
  started
  held_against
}

require_peers python3-venv
require_bulla bulla-server bulla-signer bulla
python_with schemathesis "$HERE/openapi/requirements.txt" || skip_all "schemathesis cannot be installed"
peer_versions
echo "# $("$PYTHON" -m schemathesis.cli --version)"
stories_begin openapi
[ $# != 0 ] || set -- open closed
for story in "$@"; do
  case $story in
    open) tell "$story" "every answer of a server without tokens is one that is described" open ;;
    closed) tell "$story" "every answer of a server that wants tokens is one that is described" closed ;;
    *) echo "Bail out! unknown story $story"; exit 1 ;;
  esac
done
stories_end
