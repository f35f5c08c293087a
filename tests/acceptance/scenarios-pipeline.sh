# Signing in a pipeline: by digest, many at once, and before a tag moves.
# Sourced by e2e.sh after scenarios-bulla.sh.

# index_of REPOSITORY TAG...: an OCI index over the manifests of these tags, put
# into the registry without a tag; its digest in INDEX, its bytes in $W/index
index_of() {
  local r=$1 t d l manifests=; shift
  for t in "$@"; do
    curl -sf --noproxy '*' --cacert "$W/pki/ca.crt" -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
      "https://${r%%/*}/v2/${r#*/}/manifests/$t" -o "$W/child" || reason "no manifest $r:$t"
    d=$(sha256sum <"$W/child" | cut -d' ' -f1) l=$(wc -c <"$W/child")
    manifests+="${manifests:+,}
  {\"mediaType\":\"application/vnd.docker.distribution.manifest.v2+json\",\"size\":$l,\"digest\":\"sha256:$d\",\"platform\":{\"architecture\":\"arm$t\",\"os\":\"linux\"}}"
  done
  # white space that no encoder of ours would keep
  printf '{"schemaVersion": 2,\n "mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s\n] }\n' "$manifests" >"$W/index"
  INDEX=sha256:$(sha256sum <"$W/index" | cut -d' ' -f1)
  eq "$(curl -s --noproxy '*' --cacert "$W/pki/ca.crt" -X PUT -H 'Content-Type: application/vnd.oci.image.index.v1+json' \
    --data-binary @"$W/index" -o /dev/null -w '%{http_code}' "https://${r%%/*}/v2/${r#*/}/manifests/$INDEX")" 201 "an index by its digest"
}
# registry_code REPOSITORY REFERENCE: status of the manifest; headers in $W/rhead, bytes in $W/rbody
registry_code() {
  curl -s --noproxy '*' --cacert "$W/pki/ca.crt" -H 'Accept: application/vnd.oci.image.index.v1+json' \
    -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' -D "$W/rhead" -o "$W/rbody" -w '%{http_code}' \
    "https://${1%%/*}/v2/${1#*/}/manifests/$2"
}
# tag_digest REPOSITORY TAG: of an index, too, whatever its platforms
tag_digest() { registry_code "$1" "$2" >/dev/null; echo "sha256:$(sha256sum <"$W/rbody" | cut -d' ' -f1)"; }
# requests PATTERN: how many the registry at port 5000 has answered
requests() { grep -cE -- "$1" "$W/log/registry-5000.log"; }

p1_push_tag() {
  local r=$RP/pipeline/app old new blobs
  new_home p1 >/dev/null
  mkimg $r:a "one"; must dk svc -- push $r:a
  mkimg $r:b "two"; must dk svc -- push $r:b
  index_of $r a b; old=$(reg_digest $r:a)
  # a tag that is not there yet, from another tag
  must bl p1 -- trust push-tag $r:prod --from-tag a
  has "Successfully signed $r:prod"; has "$r:prod names $old now, and was not there before"
  must dct fresh -- pull $r:prod; has "Digest: $old"
  # the index, without a byte of the images
  blobs=$(requests '"GET /v2/[^ ]*/blobs/')
  mustjson bl p1 -- trust push-tag $r:prod --digest "$INDEX" --output json
  eq "$(jq -r '"\(.digest) \(.before) \(.roles|join(","))"' <<<"$OUT")" "$INDEX $old targets" "what was said"
  eq "$(requests '"GET /v2/[^ ]*/blobs/')" "$blobs" "blobs that were asked for"
  ne "$(requests '"GET /v2/[^ ]*/manifests/')" 0 "manifests that were asked for"
  eq "$(registry_code $r prod)" 200 "the tag"
  cmp "$W/index" "$W/rbody" || reason "the index is not byte-identical"
  grep -qi '^content-type: application/vnd.oci.image.index.v1+json' "$W/rhead" || reason "the index has another kind now"
  eq "$(signed_digest fresh $r prod)" "${INDEX#sha256:}" "signed digest"
  must bl fresh -- trust verify $r:prod --check-registry; has "$r@$INDEX"
  # again: nothing to sign, nothing to move
  must bl p1 -- trust push-tag $r:prod --digest "$INDEX"; has "$r:prod names $INDEX already"
  # a wrong passphrase, no key, no such manifest: the tag stays
  new=$(reg_digest $r:b)
  exits 1 bl p1 DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=wrong -- trust push-tag $r:prod --digest "$new"; has "does not open"
  exits 1 bl fresh -- trust push-tag $r:prod --digest "$new"; has "could not find necessary signing keys"
  exits 3 bl p1 -- trust push-tag $r:prod --digest "sha256:$(printf %064d 7)"; has "the registry has no manifest for $r@sha256:"
  exits 2 bl p1 -- trust push-tag $r:prod
  exits 2 bl p1 -- trust push-tag $r:prod --digest "$new" --from-tag a
  eq "$(tag_digest $r prod)" "$INDEX" "the tag after refusals"
  eq "$(signed_digest fresh $r prod)" "${INDEX#sha256:}" "signed digest after refusals"
  # the trust server is away
  exits 4 bl p1 DOCKER_CONTENT_TRUST_SERVER=https://$TRUST_HOST:1 -- trust push-tag $r:prod --digest "$new"
  eq "$(tag_digest $r prod)" "$INDEX" "the tag while nobody can sign"
}

p2_tag_refused() { # the registry takes no pushes: signed, and said so, with what to do
  local r=$RP/pipeline/readonly new
  new_home p2 >/dev/null
  mkimg $r:a "one"; must dk svc -- push $r:a
  mkimg $r:b "two"; must dk svc -- push $r:b
  new=$(reg_digest $r:b)
  reg_conf 5003 "" | sed "s|$W/registry-5003|$W/registry-5000|; s|delete: {enabled: true}|maintenance: {readonly: {enabled: true}}|" >"$W/registry-5003.yml"
  mkdir -p "/etc/docker/certs.d/registry.test:5003"; cp "$W/pki/ca.crt" "/etc/docker/certs.d/registry.test:5003/ca.crt"
  spawn registry-5003 docker-registry serve "$W/registry-5003.yml"
  tls_up registry.test:5003 /v2/ || reason "the read-only registry did not come up"
  r=registry.test:5003/${r#*/}
  exits 1 bl p2 -- trust push-tag $r:a --from-tag b --output json
  OUT=$(grep '"error"' <<<"$OUT" | jq -r '.error|.code,.message')
  has rejected; has "$r:a is signed as $new now, but the registry did not move the tag, which named sha256:"
  has "bulla trust push-tag $r:a --digest $new: the registry answered 405"
  eq "$(signed_digest fresh $r a)" "${new#sha256:}" "signed digest"
  must bl fresh -- trust verify $r:a; has "$r@$new"
}

p3_many() {
  local a=$RP/pipeline/many-a b=$RP/pipeline/many-b i posts
  new_home p3 >/dev/null
  for i in 1 2 3; do mkimg $a:$i "a $i"; must dk svc -- push $a:$i; mkimg $b:$i "b $i"; must dk svc -- push $b:$i; done
  posts() { grep -c "\"*POST /v2/[^ ]*/_trust/tuf/ " "$HTTPLOG"; }
  posts=$(posts)
  printf '# release\n%s:1\n%s:2 %s\n\n%s:1 # the other\n' $a $a "$(reg_digest $a:3)" $b >"$W/list"
  mustjson bl p3 -- trust sign --from "$W/list" $a:3 --output json
  eq "$(jq -r '[.signed[]|"\(.tag) \(.digest)"]|join(" ")' <<<"$OUT")" \
    "3 $(reg_digest $a:3) 1 $(reg_digest $a:1) 2 $(reg_digest $a:3) 1 $(reg_digest $b:1)" "what was said"
  [ "$E2E_HTTP_LOG" = 0 ] || eq "$(($(posts) - posts))" 2 "publishes"
  eq "$(signed_digest fresh $a 2)" "$(reg_digest $a:3 | sed s/sha256://)" "the digest of the list"
  # one that is not there, and a whole repository that somebody else owns: the others are signed
  must bl admin -- trust sign $RP/pipeline/foreign:1 --digest "sha256:$(printf %064d 1)" --length 10
  mkimg $RP/pipeline/foreign:2 "f"; must dk svc -- push $RP/pipeline/foreign:2
  exits 1 bl p3 -- trust sign $b:2 $b:absent $RP/pipeline/foreign:2 $b:3
  has "Successfully signed $b:2"; has "Successfully signed $b:3"; hasnt "Successfully signed $b:absent"
  has "Error: $b:absent: the registry has no manifest for $b:absent"
  has "Error: failed to sign $RP/pipeline/foreign:2: could not find necessary signing keys"
  must nt p3 list $b; hasre "^2 "; hasre "^3 "
  # all of them for the same reason: its own status
  exits 3 bl p3 -- trust sign $b:absent $b:absent2
  # half a list is not signed
  printf '%s:1\nnot an image\n' $a >"$W/list"
  exits 1 bl p3 -- trust sign --from "$W/list"; has "list: line 2:"
  # by digest, the registry tells the length
  must bl p3 -- trust sign $b:bydigest --digest "$(reg_digest $b:1)"
  eq "$(signed_digest fresh $b bydigest)" "$(reg_digest $b:1 | sed s/sha256://)" "signed by digest"
  eq "$(role_json $b targets | jq -r '[.signed.targets[].length]|unique|length')" 1 "lengths of like manifests"
}

p4_credentials() { # of a helper, docker's variable and notary's
  [ -n "$TOKEN_URL" ] || skip "needs START_SERVER_CMD (a server with token auth)"
  local r=$ARP/pipeline/secret bin=$W/helpers one two alice bob
  new_home p4 >/dev/null; mkdir -p "$bin"
  cat >"$bin/docker-credential-e2e" <<'H'
#!/bin/bash
read -r server
echo "$1 $server" >>"$(dirname "$0")/asked"
printf '{"ServerURL":"%s","Username":"alice","Secret":"alice-pw"}\n' "$server"
H
  chmod +x "$bin/docker-credential-e2e"
  echo "{\"credHelpers\": {\"$AREG\": \"e2e\"}, \"credsStore\": \"absent\"}" >"$(home p4)/.docker/config.json"
  with() { bl p4 PATH="$bin:$PATH" DOCKER_CONTENT_TRUST_SERVER="$TOKEN_URL" "$@"; }
  auth() { printf '{"auths":{"%s":{"auth":"%s"}}}' "$AREG" "$(printf '%s:%s-pw' "$1" "$1" | base64 -w0)"; }
  bob=$(auth bob) alice=$(printf alice:alice-pw | base64 -w0)
  mkimg $r:1 "one"; must tk alice -- push --disable-content-trust $r:1; one=$(digest_of_push)
  mkimg $r:2 "two"; must tk alice -- push --disable-content-trust $r:2; two=$(digest_of_push)
  must with -- trust sign $r:1; has "Successfully signed $r:1"
  # as with docker the registry's user becomes the first signer
  has "Created signer: alice"
  mustjson tk bob -- trust inspect $r
  eq "$(jq -r '.[0].SignedTags[0].Signers|join(",")' <<<"$OUT")" alice "signers"
  grep -qx "get $AREG" "$bin/asked" || reason "the helper was not asked about $AREG"
  # the variable comes first: bob may pull and not sign
  must with DOCKER_AUTH_CONFIG="$bob" -- trust verify --check-registry $r:1; has "$r@$one"
  exits 1 with DOCKER_AUTH_CONFIG="$bob" -- trust sign $r:2 --output json
  eq "$(grep '"error"' <<<"$OUT" | jq -r .error.code)" unauthorized "code"
  # notary's is for the trust server: alice signs what bob may pull, and the tag is not bob's to move
  exits 1 with DOCKER_AUTH_CONFIG="$bob" NOTARY_AUTH="$alice" -- trust push-tag $r:1 --from-tag 2
  has "$r:1 is signed as $two now, but the registry did not move the tag, which named $one before"
  has "the registry answered 401 for $r:1"
  # a helper that is not there is no anonymous reader
  rm "$bin/docker-credential-e2e"
  exits 1 with -- trust verify $r:1; has "cannot run the credential helper docker-credential-e2e"
  # the helper's secret is nowhere in what was kept
  ! grep -rqF alice-pw "$(home p4)" || reason "a secret was written down"
}

p5_engine() { # docker's own way: the image is in the engine only
  local r=$RP/pipeline/local d
  new_home p5 >/dev/null
  local=(bl p5 DOCKER_HOST="unix://$SOCK")
  mkimg $r:1 "one"
  must "${local[@]}" -- trust sign $r:1; has "Successfully signed $r:1"; d=$(digest_of_push)
  eq "$(grep -c "^1: digest: $d size: " <<<"$OUT")" 1 "how often the digest is said"
  eq "$(signed_digest fresh $r 1)" "${d#sha256:}" "signed digest"
  must dct fresh -- pull $r:1
  # another image under the same name: what the registry has counts, unless --local
  mkimg $r:1 "another"
  must "${local[@]}" -- trust sign $r:1; has "was signed with this digest already"
  must "${local[@]}" -- trust sign --local $r:1; has "Warning: 1 stood for $d before"; ne "$(digest_of_push)" "$d" "pushed digest"
  eq "$(grep -c '^1: digest: sha256:' <<<"$OUT")" 1 "how often the digest is said"
  eq "$(signed_digest fresh $r 1)" "$(reg_digest $r:1 | sed s/sha256://)" "signed digest after --local"
  exits 3 "${local[@]}" -- trust sign --local $r:none; has "docker did not push $r:none"
  exits 3 "${local[@]}" -- trust sign $r:none; has "docker did not push $r:none"
  # of many none is pushed
  mkimg $r:2 "two"; exits 3 "${local[@]}" -- trust sign $r:2 $r:none; has "the registry has no manifest for $r:2"
}

p6_certificate() { # a registry that lets nobody in without a certificate
  local r=$RP/pipeline/closed d t
  new_home p6 >/dev/null; t=$(home p6)/.docker/tls/registry.test:5004
  mkimg $r:1 "one"; must dk svc -- push $r:1; d=$(digest_of_push)
  reg_conf 5004 "" | sed "s|$W/registry-5004|$W/registry-5000|; s|registry.test.key}|registry.test.key, clientcas: [$W/pki/ca.crt]}|" >"$W/registry-5004.yml"
  mkdir -p "$t"; cp "$W/pki/ca.crt" "$t/ca.crt"
  spawn registry-5004 docker-registry serve "$W/registry-5004.yml"
  for _ in $(seq 1 100); do (: </dev/tcp/$NSIP/5004) 2>/dev/null && break; sleep 0.1; done
  r=registry.test:5004/${r#*/}
  exits 1 bl p6 -- trust sign $r:1; has "the connection to registry.test:5004 failed"
  cp "$W/pki/notary.test.pem" "$t/client.cert"
  exits 1 bl p6 -- trust sign $r:1; has "missing key client.key for client certificate client.cert"
  cp "$W/pki/notary.test.key" "$t/client.key"
  must bl p6 -- trust sign $r:1
  must bl fresh -- trust verify $r:1; has "$r@$d"
}

p7_terminal() { # progress and colour are for people only
  local r=$RP/pipeline/terminal i
  new_home p7 >/dev/null
  for i in 1 2; do mkimg $r:$i "t $i"; must dk svc -- push $r:$i; done
  tty() {
    script -qec "$(printf '%q ' env -i PATH="$PATH" HOME="$(home p7)" TERM=xterm DOCKER_CONTENT_TRUST_SERVER="$TRUST_SERVER_URL" \
      DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE="$RPASS" DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE="$TPASS" "$@" \
      "$BULLA_CLI" trust sign $r:1 $r:2 $r:absent)" /dev/null </dev/null
  }
  exits 1 tty; has $'\e[2K1/3 '"$r:2"; has $'\e[31mError:\e[0m '"$r:absent"
  exits 1 tty NO_COLOR=1; has $'\e[2K1/3 '; has "Error: $r:absent"; hasnt $'\e[31m'
  exits 1 tty TERM=dumb; hasnt $'\e'
  exits 1 bl p7 -- trust sign $r:1 $r:2 $r:absent; hasnt $'\e'; hasnt "1/3"
}

run_pipeline() {
  scenario P1 p1_push_tag "push-tag: an index by its digest, byte for byte, and no tag without a signature"
  scenario P2 p2_tag_refused "push-tag against a registry that takes no tags"
  scenario P3 p3_many "many tags of many repositories in one run"
  scenario P4 p4_credentials "credentials of a helper, of DOCKER_AUTH_CONFIG and of NOTARY_AUTH"
  scenario P5 p5_engine "an image that only docker's engine has"
  scenario P6 p6_certificate "a registry that wants a client certificate"
  scenario P7 p7_terminal "progress and colour on a terminal, and nowhere else"
}
