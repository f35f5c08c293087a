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

# described: the server's own description
described() {
  must curl -sSf --noproxy '*' --cacert "$TRUST_TLS_CA" --max-time 10 -o "$TRUST_STATE/openapi.json" "$URL/openapi.json"
}

# held_against [OPTION...]: the description and the server, for the operations that the options leave
held_against() {
  # it writes what it caches into the directory that it is started in
  NO_PROXY='*' must env -C "$TRUST_STATE" "$PYTHON" -m schemathesis.cli --config-file "$HERE/openapi/schemathesis.toml" run "$TRUST_STATE/openapi.json" --url "$URL" --tls-verify "$TRUST_TLS_CA" \
    --phases examples,coverage,fuzzing --max-examples "$EXAMPLES" --seed "$SEED" --warnings off \
    --generation-database none --no-color --request-timeout 20 "$@"
  note "$(grep -E 'Operations:|Selected:|Tested:' <<<"$OUT" | xargs)"
  note "$(grep -E 'generated|passed' <<<"$OUT" | tail -2 | xargs)"
  status_of '' >/dev/null || fail "the server does not answer any more"
  ! grep -q panicked "$TRUST_STATE"/server*.log || fail "the server panicked"
}

# with_stored_examples: the description, with a version and a digest that can be asked for here
with_stored_examples() {
  local sha256 version
  role targets >"$TRUST_STATE/targets.json" || fail "targets is not served"
  sha256=$(sha256sum <"$TRUST_STATE/targets.json" | cut -d' ' -f1)
  version=$(jq .signed.version "$TRUST_STATE/targets.json")
  jq --arg sha256 "$sha256" --argjson version "$version" '.components.parameters |= (
      .sha256.schema.examples = [$sha256] | .version.schema.examples = [$version] | ."If-None-Match".schema.examples = ["\"other\"", "*"])' \
    "$TRUST_STATE/openapi.json" >"$TRUST_STATE/examples.json" && mv "$TRUST_STATE/examples.json" "$TRUST_STATE/openapi.json" || fail "no examples"
}

# expect_answered OPERATION STATUS: what was held against the server was answered so at least once since MARK
expect_answered() {
  tail -n "+$((MARK + 1))" "$TRUST_STATE/server.log" | jq -e --null-input --arg operation "$1" --argjson status "$2" \
    'any(inputs; .operation == $operation and .status == $status)' >/dev/null || fail "no $1 was answered $2, so nothing of that answer was checked"
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
  described
  with_stored_examples
  MARK=$(wc -l <"$TRUST_STATE/server.log")
  # last what takes away the repository, which the others are asked for
  held_against --exclude-operation-id DeleteTUF
  held_against --include-operation-id DeleteTUF
  for read in GetRole GetRoleByVersion GetRoleByHash; do
    expect_answered $read 200
    expect_answered $read 304
  done
  for operation in GetUpdate GetKey RotateKey DeleteTUF Changefeed ListRepositories; do expect_answered $operation 200; done
}

closed() {
  SERVER_SECTIONS="\"auth\": {\"type\": \"token\", \"options\": {\"realm\": \"https://auth.test/token\", \"service\": \"test\", \"issuer\": \"test\", \"rootcertbundle\": \"$TRUST_TLS_CA\"}},"
  started
  described
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
