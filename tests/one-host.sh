#!/bin/bash
# A registry and Bulla on one host name, behind nginx with the configuration that
# docs/nginx/one-host.conf gives to operators: notary, bulla and skopeo publish,
# read, check and delete there; large uploads and odd paths end where they must.
# And Bulla's own TLS with a client of HTTP/2.  TAP; loopback only.
#
#   tests/one-host.sh [plain token paths http2]     only these stories
#
#   BULLA_BIN_DIR    where the binaries are (default: the debug build)
#   STORIES_KEEP=1   keep the work directories (all logs)
#   CI=true          what is missing is a failure, not a skip
set -u
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/peers/required.sh"
. "$HERE/peers/processes.sh"
. "$HERE/peers/engines.sh"
. "$HERE/peers/pki.sh"
. "$HERE/peers/stories.sh"
. "$HERE/peers/halves.sh"
SERVICE=one-host.test
ISSUER=one-host-issuer
LIMIT=67108864 # limits.document_bytes, and what nginx is told

# start_registry [SECTION]: sets REGISTRY_PORT
start_registry() {
  REGISTRY_PORT=$(free_port)
  cat >"$TRUST_STATE/registry.yml" <<YML
version: 0.1
log: {level: info}
storage: {filesystem: {rootdirectory: $TRUST_STATE/registry}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$REGISTRY_PORT", relativeurls: false}
${1:-}
YML
  docker-registry serve "$TRUST_STATE/registry.yml" >"$TRUST_STATE/registry.log" 2>&1 &
  CHILDREN+=($!)
  wait_port "$REGISTRY_PORT" $! registry || fail "the registry did not start"
}

# start_front: nginx with the operators' file, of which only names, ports and paths are others
start_front() {
  local port=${HOST##*:} state=$TRUST_STATE
  sed -e "s|listen 443 ssl;|listen 127.0.0.1:$port ssl;|" -e "s|server_name registry.example;|server_name localhost;|" \
    -e "s|/etc/nginx/tls/registry.example.crt|$TRUST_TLS_CERT|" -e "s|/etc/nginx/tls/registry.example.key|$TRUST_TLS_KEY|" \
    -e "s|server 127.0.0.1:4443;|server $LISTEN;|" -e "s|server 127.0.0.1:5000;|server 127.0.0.1:$REGISTRY_PORT;|" \
    "$REPOSITORY/docs/nginx/one-host.conf" >"$state/one-host.conf"
  expect "$(diff "$REPOSITORY/docs/nginx/one-host.conf" "$state/one-host.conf" | grep -c '^>')" 6 "lines of the operators' file that were changed"
  cat >"$state/nginx.conf" <<CONF
daemon off;
user root;
pid $state/nginx.pid;
error_log $state/nginx.log info;
events {}
http {
    access_log $state/nginx-access.log;
    client_body_temp_path $state/nginx-body;
    proxy_temp_path $state/nginx-proxy;
    fastcgi_temp_path $state/nginx-fastcgi;
    uwsgi_temp_path $state/nginx-uwsgi;
    scgi_temp_path $state/nginx-scgi;
    # as Debian has it
    gzip on;
    include $state/one-host.conf;
}
CONF
  "$NGINX" -e "$state/nginx.log" -c "$state/nginx.conf" 2>>"$state/nginx.log" &
  CHILDREN+=($!)
  wait_port "$port" $! nginx || fail "nginx did not start: $(tail -1 "$state/nginx.log")"
}

# start_all [REGISTRY_SECTION]: signer, Bulla, registry and nginx; HOST is where they are, CURL asks there
start_all() {
  trust_address
  HOST=localhost:$(free_port)
  URL=https://$HOST
  CURL=(curl -sS --noproxy '*' --cacert "$TRUST_TLS_CA" --max-time 60)
  export TRUST_PLAIN=1 TRUST_LIMITS='{"trusted_proxies": ["127.0.0.1"]}'
  SIGNER_STORAGE=$(sqlite_storage signer) SERVER_STORAGE=$(sqlite_storage server)
  start_halves bulla bulla
  start_registry "${1:-}"
  start_front
  mkdir -p "$TRUST_STATE/certs"
  cp "$TRUST_TLS_CA" "$TRUST_STATE/certs/ca.crt"
  GUN=$HOST/team/app
}

# answer PATH [CURL ARGS]: the status, of a path that is sent as it is
answer() {
  local path=$1
  shift
  "${CURL[@]}" --path-as-is -o "$TRUST_STATE/body" -D "$TRUST_STATE/head" -w '%{http_code}' "$@" "$URL$path"
}
header() { sed -n "s/^$1: //Ip" "$TRUST_STATE/head" | tr -d '\r'; }

# push_image TAG CONTENT: through nginx, as a client of the registry does; DIGEST is its manifest's there
push_image() {
  local dir=$TRUST_STATE/image-$1 layer config
  mkdir -p "$dir"
  printf '%s\n' "$2" >"$dir/content"
  tar -C "$dir" --owner=0 --group=0 --mtime=@0 -cf "$dir/layer" content
  layer=$(sha256sum "$dir/layer" | cut -d' ' -f1)
  printf '{"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": ["sha256:%s"]}}' "$layer" >"$dir/config"
  config=$(sha256sum "$dir/config" | cut -d' ' -f1)
  cat >"$dir/manifest.json" <<JSON
{"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
 "config": {"mediaType": "application/vnd.docker.container.image.v1+json", "size": $(stat -c %s "$dir/config"), "digest": "sha256:$config"},
 "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar", "size": $(stat -c %s "$dir/layer"), "digest": "sha256:$layer"}]}
JSON
  mv "$dir/layer" "$dir/$layer" && mv "$dir/config" "$dir/$config" && rm "$dir/content"
  printf 'Directory Transport Version: 1.1\n' >"$dir/version"
  must skopeo --insecure-policy copy --digestfile "$TRUST_STATE/digest" --dest-cert-dir "$TRUST_STATE/certs" ${CREDENTIALS:+--dest-creds "$CREDENTIALS"} "dir:$dir" "docker://$GUN:$1"
  DIGEST=$(<"$TRUST_STATE/digest")
}

# bulla_as HOME ARGS...: no trust server is named: it is the host of the image
bulla_as() {
  local home=$TRUST_STATE/home/$1 account
  shift
  mkdir -p "$home/.docker/tls/$HOST"
  cp "$TRUST_TLS_CA" "$home/.docker/tls/$HOST/ca.crt"
  if [ -n "${CREDENTIALS:-}" ]; then
    mkdir -p "$home/.docker/tls/$REALM_HOST"
    cp "$TRUST_TLS_CA" "$home/.docker/tls/$REALM_HOST/ca.crt"
    account=$(printf %s "$CREDENTIALS" | base64 -w0)
    printf '{"auths": {"%s": {"auth": "%s"}}}\n' "$HOST" "$account" >"$home/.docker/config.json"
  fi
  env -i PATH="$PATH" HOME="$home" DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE=root-passphrase \
    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=other-passphrase timeout 60 "$BULLA_BIN_DIR/bulla" "$@" </dev/null
}
# notary with the credentials, where there are some
notary_here() {
  local account=
  [ -z "${CREDENTIALS:-}" ] || account=$(printf %s "$CREDENTIALS" | base64 -w0)
  PASSPHRASES+=("NOTARY_AUTH=$account")
  notary_as "$@"
}

# life: an image is pushed, signed, read by others, checked before a pull, and its trust data deleted
life() {
  local tag
  push_image v1 "the image that is signed"
  must bulla_as owner trust sign "$GUN:v1"
  must notary_here reader list "$GUN"
  grep -q "^v1 *${DIGEST#sha256:} " <<<"$OUT" || fail "notary does not list v1 with $DIGEST"
  must bulla_as reader trust verify --check-registry "$GUN:v1"
  expect "$(tail -1 <<<"$OUT")" "$GUN@$DIGEST" "what verify releases"
  must skopeo --insecure-policy inspect --cert-dir "$TRUST_STATE/certs" ${CREDENTIALS:+--creds "$CREDENTIALS"} --format '{{.Digest}}' "docker://$GUN@$DIGEST"
  expect "$(tail -1 <<<"$OUT")" "$DIGEST" "what is pulled by digest"
  # notary begins a repository, too, and rotates a key of the server's
  must notary_here other init -p "$GUN-notary"
  must notary_here other key rotate "$GUN-notary" timestamp -r
  must notary_here other addhash -p "$GUN-notary" v2 7 --sha256 "$(sha256_of v2)"
  must bulla_as reader trust inspect "$GUN-notary"
  grep -q "$(sha256_of v2)" <<<"$OUT" || fail "bulla does not see what notary published"
  # another image under the tag
  push_image v1 "the image of somebody else"
  local status=0
  bulla_as reader trust verify --check-registry "$GUN:v1" || status=$?
  expect $status 3 "the exit status of verify for a tag that was moved"
  must notary_here other delete --remote "$GUN-notary"
  status=0
  bulla_as newcomer trust verify "$GUN-notary:v2" || status=$?
  expect $status 3 "the exit status of verify for what was deleted"
}

plain() {
  start_all
  life
  # the ping is the registry's
  expect "$(answer /v2/) $(header docker-distribution-api-version)" "200 registry/2.0" "the ping"
  # what a cache goes by is as the server said
  local path=/v2/$GUN/_trust/tuf/targets.json tag before
  expect "$(answer "$path")" 200 "$path"
  tag=$(header etag)
  expect "$tag" "\"$(sha256sum "$TRUST_STATE/body" | cut -d' ' -f1)\"" "the tag of a file"
  expect "$(answer "$path" -H "If-None-Match: $tag") $(header etag)" "304 $tag" "a file that is held"
  expect "$(answer "$path" --compressed) $(header etag)" "200 $tag" "a short file, for who takes gzip"
  # requests are the client's, whatever it writes of itself
  expect "$(answer "$path" -H 'X-Forwarded-For: 203.0.113.9')" 200 "$path"
  expect "$(grep request "$TRUST_STATE/server.log" | tail -1 | jq -r '.client + " " + .protocol')" "127.0.0.1 HTTP/1.1" "the client in the log"
  # a long token is Bulla's to refuse or to ignore
  head -c 60000 /dev/zero | tr '\0' a | sed 's/^/Authorization: Bearer /' >"$TRUST_STATE/token"
  expect "$(answer "$path" -H "@$TRUST_STATE/token")" 200 "a request with a token of 60,000 characters"
  # an upload of the limit is Bulla's to judge, and one byte more nginx's to refuse
  printf -- '--b\r\nContent-Disposition: form-data; name="files"; filename="root"\r\n\r\n{}\r\n--b--\r\n' >"$TRUST_STATE/end"
  { head -c $((LIMIT - $(stat -c %s "$TRUST_STATE/end") - 2)) /dev/zero | tr '\0' ' '; printf '\r\n'; cat "$TRUST_STATE/end"; } >"$TRUST_STATE/upload"
  local upload=(-X POST -H 'Content-Type: multipart/form-data; boundary=b' -H 'Expect:' --data-binary "@$TRUST_STATE/upload")
  expect "$(stat -c %s "$TRUST_STATE/upload")" $LIMIT "bytes of the upload"
  expect "$(answer "/v2/$GUN/_trust/tuf/" "${upload[@]}")" 400 "an upload of the limit"
  grep -q '"errors"' "$TRUST_STATE/body" || fail "not Bulla's words: $(head -c 200 "$TRUST_STATE/body")"
  before=$(grep -c request "$TRUST_STATE/server.log")
  printf ' ' >>"$TRUST_STATE/upload"
  expect "$(answer "/v2/$GUN/_trust/tuf/" "${upload[@]}")" 413 "an upload of one byte more"
  expect "$(grep -c request "$TRUST_STATE/server.log")" "$before" "requests that came to Bulla"
  expect "$(answer "/v2/$GUN/_trust/changefeed?records=1") $(answer '/v2/_trust/changefeed?records=1') $(answer /v2/_trust/repositories)" \
    "200 200 200" "the feeds, and the list of repositories"
}

token() {
  local port account
  port=$(free_port)
  REALM_HOST=localhost:$port
  pki_self_signed "$TRUST_STATE" sign "$ISSUER"
  pki_self_signed "$TRUST_STATE" others "$ISSUER"
  "${PY:-/usr/bin/python3}" "$HERE/acceptance/tokenauth.py" 127.0.0.1 "$port" "$TRUST_TLS_CERT" "$TRUST_TLS_KEY" "$TRUST_STATE/sign.crt" \
    "$TRUST_STATE/sign.key" "$TRUST_STATE/others.crt" "$TRUST_STATE/others.key" "$ISSUER" "$TRUST_STATE/tokens.log" >"$TRUST_STATE/tokenauth.log" 2>&1 &
  CHILDREN+=($!)
  wait_port "$port" $! "token service" || fail "the token service did not start"
  export TRUST_AUTH=token TRUST_TOKEN_REALM=https://$REALM_HOST/token TRUST_TOKEN_SERVICE=$SERVICE TRUST_TOKEN_ISSUER=$ISSUER \
    TRUST_TOKEN_CERTS=$TRUST_STATE/sign.crt
  # the same four words for both: who asked the registry for the way to a token comes to Bulla with it
  start_all "auth: {token: {realm: \"$TRUST_TOKEN_REALM\", service: $SERVICE, issuer: $ISSUER, rootcertbundle: $TRUST_TOKEN_CERTS}}"
  CREDENTIALS=alice:alice-pw life
  expect "$(answer /v2/) $(answer "/v2/$GUN/_trust/tuf/root.json")" "401 401" "who shows no token"
  # refused before the body came, and the client lives to read it
  head -c 30000000 /dev/zero >"$TRUST_STATE/upload"
  expect "$(answer "/v2/$GUN/_trust/tuf/" -X POST -H 'Content-Type: multipart/form-data; boundary=b' -H 'Expect:' --data-binary "@$TRUST_STATE/upload")" \
    401 "an upload without a token"
  # who may only pull reads, and does not publish
  export CREDENTIALS=bob:bob-pw
  must notary_here bob list "$GUN"
  local status=0
  notary_here bob addhash -p "$GUN" v9 7 --sha256 "$(sha256_of v9)" || status=$?
  [ $status != 0 ] || fail "who may only pull published"
}

# Nothing that nginx, Bulla and the registry could read differently leads where its plain form does not.
paths() {
  start_all
  push_image v1 image
  must bulla_as owner trust sign "$GUN:v1"
  local root=/v2/$GUN/_trust/tuf/root.json before path
  expect "$(answer "$root")" 200 "$root"
  before=$(wc -l <"$TRUST_STATE/server.log")
  for path in /metrics /ready /live / /v2x /_notary_server /_notary_server/healthz /%6detrics /admin; do
    expect "$(answer "$path")" 404 "$path"
  done
  for path in //metrics /v2//metrics /v2/a/_trust/tuf/../../../../metrics /v2/a/_trust/../../../metrics /v2/a/_trust/..//metrics \
    /v2/a/_trust/%2e%2e/%2e%2e/%2E%2E/metrics /v2/a/_trust/..%2f..%2F..%2fmetrics /metrics/../v2/a/_trust/tuf/root.json /metrics/%2e%2e"$root" \
    /metrics%2f..%2fv2/a/_trust/tuf/root.json "/v2//$GUN/_trust/tuf/root.json" "/v2/$GUN//_trust/tuf/root.json" "/v2/./$GUN/_trust/tuf/root.json" \
    "/v2/$GUN/_trust%2ftuf/root.json" "/v2/$GUN%2f_trust/tuf/root.json" "/v2/x/../$GUN/_trust/tuf/root.json" "/v2/x/%2e./$GUN/_trust/tuf/root.json" \
    "/v2/$GUN/_trust/tuf/.." "/v2/$GUN/_trust/tuf/." /.. '/..?a=b' "/v2/$GUN/_trust/tuf/.?x"; do
    expect "$(answer "$path")" 400 "$path"
    expect "$(answer "$path" -X DELETE)" 400 "DELETE $path"
  done
  expect "$(wc -l <"$TRUST_STATE/server.log")" "$before" "lines of Bulla's log: nothing of it came there"
  # a question is no path
  expect "$(answer "$root?x=//..%2f/../")" 200 "a query of odd characters"
  # what is decoded twice, or ends a text early, is a name that nothing is stored under
  for path in "/v2/$GUN%252f..%252fx/_trust/tuf/root.json" "/v2/$GUN%5c..%5cx/_trust/tuf/root.json" "/v2/$GUN%0a/_trust/tuf/root.json" \
    "/v2/$GUN%3f/_trust/tuf/root.json" "/v2/$GUN%23/_trust/tuf/root.json" "/v2/$GUN;/_trust/tuf/root.json" "/v2/$GUN/_TRUST/tuf/root.json" \
    "/V2/$GUN/_trust/tuf/root.json" "/v2/_trust/_trust/tuf/root.json"; do
    case $(answer "$path") in 400 | 404) ;; *) fail "$path was answered: $(head -1 "$TRUST_STATE/head")" ;; esac
  done
  expect "$(answer "/v2/$GUN%00/_trust/tuf/root.json")" 400 "a name with a zero in it"
  # in the form of a proxy's request, and with another host: the same places
  expect "$("${CURL[@]}" -o /dev/null -w '%{http_code}' --request-target "http://elsewhere.test/metrics" "$URL")" 404 "metrics, asked as a proxy is"
  expect "$("${CURL[@]}" -o /dev/null -w '%{http_code}' --request-target "http://elsewhere.test//metrics" "$URL")" 400 "an odd path, asked as a proxy is"
  expect "$(answer /metrics -H 'Host: 127.0.0.1')" 404 "metrics, by another name"
  # a second request in the body of a first is none
  printf '0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: x\r\n\r\n' >"$TRUST_STATE/smuggled"
  case $(answer "/v2/$GUN/_trust/tuf/" -X POST -H 'Content-Type: multipart/form-data; boundary=b' -H 'Transfer-Encoding: chunked' \
    -H "Content-Length: 4" --data-binary "@$TRUST_STATE/smuggled") in 400) ;; *) fail "a body of two lengths was taken" ;; esac
  ! grep -q '"metrics"\|/metrics' "$TRUST_STATE/server.log" || fail "a request for metrics came to Bulla"
}

# Bulla's own TLS, with a client that others wrote
http2() {
  trust_address
  SIGNER_STORAGE=$(sqlite_storage signer) SERVER_STORAGE=$(sqlite_storage server)
  start_halves bulla bulla
  GUN=one-host.test/app
  publish_tag owner first
  expect "$(grep '"gun":"one-host' "$TRUST_STATE/server.log" | jq -r .protocol | sort -u)" HTTP/1.1 "what notary speaks"
  CURL=(curl -sS --noproxy '*' --cacert "$TRUST_TLS_CA" --max-time 60)
  local path=/v2/$GUN/_trust/tuf/targets.json version='%{http_version}' tag number
  for asked in --http2:2 --http1.1:1.1 --no-alpn:1.1; do
    expect "$("${CURL[@]}" -o /dev/null -w "%{http_code} $version" "${asked%:*}" "$URL$path")" "200 ${asked#*:}" "curl ${asked%:*}"
  done
  expect "$(answer "$path" --http2)" 200 "$path"
  tag=$(header etag)
  expect "$(answer "$path" --http2 -H "If-None-Match: $tag") $(header etag)" "304 $tag" "a file that is held"
  expect "$(grep request "$TRUST_STATE/server.log" | tail -1 | jq -r .protocol)" HTTP/2.0 "the protocol in the log"
  # longer than what is sent as it is
  for number in $(seq 1 60); do must notary_as owner addhash "$GUN" "tag-$number" 7 --sha256 "$(sha256_of "$number")"; done
  must notary_as owner publish "$GUN"
  expect "$(answer "$path" --http2 -H 'Accept-Encoding: gzip') $(header content-encoding)" "200 gzip" "a long file"
  expect "$(gunzip <"$TRUST_STATE/body" | jq '.signed.targets | length')" 61 "targets in it"
  # an upload, a refused one, and many at once on one connection
  head -c 1000000 /dev/zero >"$TRUST_STATE/upload"
  expect "$(answer "/v2/$GUN/_trust/tuf/" --http2 -X POST -H 'Content-Type: multipart/form-data; boundary=b' --data-binary "@$TRUST_STATE/upload")" 400 "an upload"
  head -c $((LIMIT + 1)) /dev/zero >"$TRUST_STATE/upload"
  expect "$(answer "/v2/$GUN/_trust/tuf/" --http2 -X POST -H 'Content-Type: multipart/form-data; boundary=b' --data-binary "@$TRUST_STATE/upload")" 413 "an upload that is too large"
  expect "$("${CURL[@]}" --http2 --parallel --parallel-max 200 -o /dev/null -w '%{http_code} %{http_version}\n' "$URL$path?[1-300]" | sort | uniq -c | xargs)" \
    "300 200 2" "three hundred requests"
}

require_peers
NGINX=$(command -v nginx || echo /usr/sbin/nginx)
require_bulla bulla bulla-server bulla-signer
peer_versions
stories_begin one-host
[ $# != 0 ] || set -- plain token paths http2
for story in "$@"; do
  case $story in
    plain) tell plain "a registry and Bulla on one host name, for notary, bulla and skopeo" plain ;;
    token) tell token "the same with one token service for both" token ;;
    paths) tell paths "no path leads through nginx to what it does not name" paths ;;
    http2) tell http2 "curl speaks HTTP/2 to Bulla, and notary does not" http2 ;;
    *) echo "Bail out! no such story: $story"; exit 1 ;;
  esac
done
stories_end
