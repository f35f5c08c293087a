# Our own client in docker's trust directory, beside docker and notary.  Sourced
# by e2e.sh after scenarios.sh when BULLA_CLI names the binary.  The rows M1 to
# M14 are those of "Checks for a client of our own" in README.md.
BULLA_CLI=$(realpath -e "$BULLA_CLI") || bail "BULLA_CLI is not there"

# bl HOMENAME [VAR=VALUE...] -- ARGS: our client, in the HOME docker uses
bl() {
  local h=$1; shift
  local v=()
  while [ "$1" != -- ]; do v+=("$1"); shift; done; shift
  env -i PATH="$PATH" HOME="$W/home/$h" DOCKER_CONTENT_TRUST_SERVER="$TRUST_SERVER_URL" \
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE="$RPASS" DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE="$TPASS" "${v[@]}" \
    timeout 120 "$BULLA_CLI" "$@" </dev/null
}
# exits CODE CMD...: the command must end with exactly this status
exits() { local want=$1; shift; show "$@"; OUT=$("$@" 2>&1) && RCODE=0 || RCODE=$?; printf '%s\n(exit %s)\n' "$OUT" $RCODE; eq $RCODE "$want" "exit status of: $*"; }
same_inspect() { # HOMENAME IMAGE: docker and ours print the same bytes
  local d b
  for form in "" --pretty; do
    d=$(dk "$1" -- trust inspect $form "$2") || reason "docker cannot inspect $2"
    b=$(bl "$1" -- trust inspect $form "$2") || reason "bulla cannot inspect $2"
    [ "$d" = "$b" ] || { diff <(echo "$d") <(echo "$b"); reason "inspect $form $2 differs from docker's"; }
  done
}
# file names, modes and bytes of a trust directory
trust_listing() { (cd "$(home "$1")/.docker/trust" && find . -printf '%m %p\n' | sort && find . -type f -exec sha256sum {} + | sort -k2); }
key_count() { grep -l "^role: $2" "$(home "$1")"/.docker/trust/private/*.key 2>/dev/null | wc -l; }

b1_m1() { # docker first, then ours
  local r=$RP/matrix/one
  new_home m1 >/dev/null
  mkimg $r:1 "one"; must dct m1 -- push $r:1
  mkimg $r:2 "two"; must dk m1 -- push $r:2
  local d; d=$(digest_of_push)
  # the root passphrase is not needed: nothing but the repository key signs
  must bl m1 DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE= -- trust sign $r:2
  has "Successfully signed $r:2"; hasnt "Finished initializing"
  eq "$(ls "$(home m1)/.docker/trust/private" | wc -l)" 2 "key files"
  mustjson trust_json fresh $r
  eq "$(jq -r '.[0].SignedTags|map(.SignedTag)|join(",")' <<<"$OUT")" 1,2 "signed tags"
  eq "$(signed_digest fresh $r 2)" "${d#sha256:}" "signed digest"
  same_inspect m1 $r; same_inspect m1 $r:2
  dk svc -- rmi -f $r:2 >/dev/null 2>&1
  must dct fresh -- pull $r:2; has "Digest: $d"
  must nt m1 list $r; hasre "^2 "
  must bl fresh -- trust verify $r:2; has "$r@$d"
  # and docker goes on where we stopped
  mkimg $r:3 "three"; must dct m1 -- push $r:3; has "Successfully signed $r:3"
  eq "$(role_json $r targets | jq -r .signed.version)" 4 "targets version"
}

b2_m2() { # ours first, then docker
  local r=$RP/matrix/two k t; t=$(home m2)/.docker/trust
  new_home m2 >/dev/null
  mkimg $r:1 "one"; must dk m2 -- push $r:1
  local d; d=$(digest_of_push)
  # the digest where scripts look for it: docker's line, byte for byte, on standard output
  local line; line=$(grep '^1: digest: sha256:' <<<"$OUT")
  ( umask 000; show bl m2 -- trust sign $r:1; bl m2 -- trust sign $r:1 >"$W/m2.out" ) || reason "not signed"
  OUT=$(cat "$W/m2.out"); echo "$OUT"
  eq "$OUT" "$line"$'\n'"Successfully signed $r:1" "what was printed"
  OUT=$(bl m2 -- trust verify $r:1) || reason "our own signature is not verified"
  eq "$OUT" "$r@$d" "verified digest"
  eq "$(find "$t" -type f ! -perm 0600 | wc -l)" 0 "files that are not 0600"
  eq "$(find "$t" -type d ! -perm 0700 | wc -l)" 0 "directories that are not 0700"
  # M3: notary knows the keys, with the ids of root.json
  must nt m2 key list
  hasre "^root +[0-9a-f]{64}"; hasre "^targets +\.\.\..* [0-9a-f]{64}"
  k=$(role_json $r root | jq -r '.signed.roles.targets.keyids[0]'); has "$k"
  eq "$(key_count m2 root)" 1 "root keys"; eq "$(key_count m2 targets)" 1 "repository keys"
  eq "$(role_json $r root | jq -r .signed.version),$(role_json $r targets | jq -r .signed.version)" 1,2 "versions of a first publish"
  cmp <(role_json $r root) "$t/tuf/$r/metadata/root.json" || reason "root.json is not kept byte for byte"
  # docker reads what we signed, and signs on
  dk svc -- rmi -f $r:1 >/dev/null 2>&1
  must dct fresh -- pull $r:1; has "Digest: $d"
  same_inspect m2 $r
  mkimg $r:2 "two"; must dct m2 -- push $r:2
  has "Successfully signed $r:2"; hasnt "Finished initializing"
  eq "$(key_count m2 root)" 1 "root keys after docker"; eq "$(key_count m2 targets)" 1 "repository keys after docker"
  must nt m2 list $r; hasre "^1 "; hasre "^2 "
}

b3_m6() { # a key pair of ours, loaded and added by docker
  local r=$RP/matrix/six
  mkdir -p "$W/m6keys"; new_home m6 >/dev/null
  ( cd "$W/m6keys" && must bl m6 -- trust key generate dora && has "Successfully generated and loaded private key. Corresponding public key available: $W/m6keys/dora.pub" ) || exit 1
  grep -q '^role: dora' "$W/m6keys/dora.pub" || reason "dora.pub does not name the role"
  exits 1 bl m6 -- trust key generate dora --dir "$W/m6keys"; has "public key file already exists"
  exits 1 bl m6 -- trust key generate Dora; has "must start with lowercase alphanumeric characters"
  # docker opens the private key: the same file under another HOME
  cp "$(home m6)"/.docker/trust/private/*.key "$W/m6keys/dora.key"; chmod 600 "$W/m6keys/dora.key"
  must dk other -- trust key load "$W/m6keys/dora.key" --name dora
  must dk admin -- trust signer add --key "$W/m6keys/dora.pub" dora $r
  has "Successfully added signer: dora to $r"
  mustjson trust_json fresh $r
  eq "$(jq -r '.[0].Signers[0].Keys[0].ID' <<<"$OUT")" "$(basename "$(home m6)"/.docker/trust/private/*.key .key)" "key id of the signer"
  # our delegate signs into targets/dora and targets/releases, not into targets
  mkimg $r:1 "one"; must dk m6 -- push $r:1
  local d; d=$(digest_of_push)
  must bl m6 -- trust sign $r:1
  eq "$(role_json $r targets | jq -r '.signed.targets|length')" 0 "targets in the top role"
  for x in dora releases; do eq "$(role_json $r targets/$x | jq -r '.signed.targets|keys|join(",")')" 1 "targets of $x"; done
  mustjson trust_json fresh $r
  eq "$(jq -r '.[0].SignedTags|map(.SignedTag+"="+(.Signers|join("+")))|join(",")' <<<"$OUT")" "1=dora" "signed tags"
  same_inspect m6 $r
  dk svc -- rmi -f $r:1 >/dev/null 2>&1
  must dct fresh -- pull $r:1; has "Digest: $d"
  # docker as the same delegate, then ours again
  mkimg $r:2 "two"; must dct m6 -- push $r:2; has "Successfully signed $r:2"
  mkimg $r:1 "one, moved"; must dk m6 -- push $r:1; must bl m6 -- trust sign $r:1
  eq "$(signed_digest fresh $r 1)" "$(reg_digest $r:1 | sed 's/sha256://')" "moved tag"
  # a stranger, and the owner without the delegate's key
  exits 1 bl bob -- trust sign $r:1; has "no valid signing keys for delegation roles"
  exits 1 bl admin -- trust sign $r:1; has "no valid signing keys for delegation roles"
}

b4_m9() { # the cache, with and without a server
  local r=$RP/matrix/nine down=https://$TRUST_HOST:1 before
  new_home m9 >/dev/null
  mkimg $r:1 "one"; must dct admin -- push $r:1
  local d; d=$(digest_of_push)
  must dct m9 -- pull $r:1
  cp -r "$(home m9)/.docker/tls/$TRUST_HP" "$(home m9)/.docker/tls/$TRUST_HOST:1"
  before=$(trust_listing m9)
  # by permission only, of the command line or the settings
  exits 1 bl m9 DOCKER_CONTENT_TRUST_SERVER=$down -- trust inspect $r:1; hasnt "${d#sha256:}"
  has "cannot reach $TRUST_HOST:1"; has "what is cached was fetched"; has "say --allow-cached"
  has "\"allow_cached\": true in $(home m9)/.docker/trust/bulla.json"
  exits 0 bl m9 DOCKER_CONTENT_TRUST_SERVER=$down -- trust inspect --allow-cached $r:1
  has "${d#sha256:}"; has "Warning: the trust server cannot be reached; using cached trust data, fetched"
  echo '{"allow_cached": true}' >"$(home m9)/.docker/trust/bulla.json"
  exits 0 bl m9 DOCKER_CONTENT_TRUST_SERVER=$down -- trust inspect $r:1; has "${d#sha256:}"
  rm "$(home m9)/.docker/trust/bulla.json"
  exits 4 bl m9 DOCKER_CONTENT_TRUST_SERVER=$down -- trust verify $r:1; hasnt "@sha256"
  exits 0 bl m9 DOCKER_CONTENT_TRUST_SERVER=$down -- trust verify --allow-cached $r:1; has "$r@$d"
  exits 4 bl m9 DOCKER_CONTENT_TRUST_SERVER=https://nowhere.invalid:1 -- trust verify $r:1
  eq "$(trust_listing m9)" "$before" "the cache after reading without a server"
  # no cache, no answer; a server we cannot identify is no missing server
  new_home m9b >/dev/null
  exits 1 bl m9b DOCKER_CONTENT_TRUST_SERVER=$down -- trust inspect $r:1; has "no signatures or cannot access $r:1"
  rm -rf "$(home m9)/.docker/tls"
  exits 1 bl m9 -- trust verify --allow-cached $r:1; hasnt "@sha256"; has "UnknownIssuer"
  exits 1 bl m9 -- trust inspect $r:1; has "no signatures or cannot access"
  exits 1 bl m9 DOCKER_CONTENT_TRUST_SERVER=http://$TRUST_HP -- trust verify $r:1; has "valid https URL required for trust server, got http://$TRUST_HP"
}

b5_m10() { # docker goes on with our cache
  local r=$RP/matrix/ten h=$W/log/http.log before asked
  new_home m10 >/dev/null
  mkimg $r:1 "one"; must dct admin -- push $r:1
  must bl m10 -- trust verify $r:1
  before=$(trust_listing m10)
  dk svc -- rmi -f $r:1 >/dev/null 2>&1
  : >"$h"; must dct m10 -- pull $r:1
  eq "$(trust_listing m10 | grep '\.json$')" "$(grep '\.json$' <<<"$before")" "our cache after docker's pull"
  if [ "$E2E_HTTP_LOG" = 1 ]; then
    eq "$(grep -oE 'GET [^ ]*/_trust/tuf/[^ ]+' "$h" | sed 's|.*/tuf/||' | sort -u | tr '\n' ' ')" "timestamp.json " "what docker asked for"
  else note "E2E_HTTP_LOG=1 also counts docker's requests"; fi
  # and the other way round
  : >"$h"; must bl m10 -- trust verify $r:1
  # of a server that answers updates in one that answer, else the timestamp; nothing else of either
  asked=$(grep -oE 'GET [^ ]*/_trust/[^ ?]+' "$h" | sed 's|.*/_trust/||' | sort -u | tr '\n' ' ')
  [ "$E2E_HTTP_LOG" != 1 ] || [ "$asked" = "update " ] || eq "$asked" "tuf/timestamp.json " "what we asked for"
}

b6_refusals() { # unsigned, overwritten, re-created, attacker
  local r=$RP/matrix/no
  new_home m14 >/dev/null
  mkimg $r:1 "one"; must dk admin -- push $r:1
  exits 3 bl fresh -- trust verify $r:1
  has "remote trust data does not exist for $r: $TRUST_HP does not have trust data for $r"
  must bl admin -- trust sign $r:1
  local d; d=$(reg_digest $r:1)
  exits 3 bl fresh -- trust verify $r:unsigned; has "No valid trust data for unsigned"
  exits 1 bl fresh -- trust verify $r; has "no tag specified for $r"
  must bl m14 -- trust verify --check-registry $r:1; has "$r@$d"
  # an attacker overwrites the tag: the signed digest stays, and --check-registry names both
  mkimg $r:1 "not one at all"; must dk attacker -- push $r:1
  exits 0 bl m14 -- trust verify $r:1; has "$r@$d"
  exits 3 bl m14 -- trust verify --check-registry $r:1; has "$d"; has "$(reg_digest $r:1)"
  exits 1 bl attacker -- trust sign $r:1
  has "could not find necessary signing keys, at least one of these keys must be available: $(role_json $r root | jq -r '.signed.roles.targets.keyids[0]')"
  exits 1 bl admin DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=not-the-passphrase -- trust sign $r:1
  has "does not open"
  # by hand, without a registry
  must bl admin -- trust sign $r:byhand --digest "$d" --length 1234
  must bl fresh -- trust verify $r:byhand; has "$r@$d"
  # M14: the same name under another root
  must nt admin delete --remote $r
  mkimg $r:1 "one again"; must dct other -- push $r:1
  local before; before=$(trust_listing m14)
  exits 3 bl m14 -- trust verify $r:1; hasnt "@sha256"
  eq "$(trust_listing m14)" "$before" "the cache after a foreign root"
}

b7_rotations() { # M4 and M11: notary's keys and rotations
  local r=$RP/matrix/rot
  new_home m4 >/dev/null; new_home m11 >/dev/null
  must nt m4 init -p $r
  mkimg $r:1 "one"; must dk m4 -- push $r:1
  must bl m4 -- trust sign $r:1            # the snapshot key is ours here, so we sign it
  must nt m11 list $r; hasre "^1 "
  eq "$(role_json $r snapshot | jq -r '.signatures[0].keyid')" "$(role_json $r root | jq -r '.signed.roles.snapshot.keyids[0]')" "signer of the snapshot"
  must bl m11 -- trust verify $r:1
  must nt m4 key rotate $r snapshot -r
  must nt m4 key rotate $r timestamp -r
  ANSWER=yes must nt m4 key rotate $r root
  ANSWER=yes must nt m4 key rotate $r root
  must bl m11 -- trust verify $r:1         # several roots behind
  cmp <(role_json $r root) "$(home m11)/.docker/trust/tuf/$r/metadata/root.json" || reason "the reader did not follow to the newest root"
  must nt m4 key rotate $r targets
  mkimg $r:2 "two"; must dk m4 -- push $r:2; must bl m4 -- trust sign $r:2
  must bl m11 -- trust verify $r:2
  must nt m11 list $r; hasre "^1 "; hasre "^2 "
}

b8_concurrent() { # ours and docker's publish at once: nothing is lost
  local r=$RP/matrix/race i p=()
  new_home r1 >/dev/null
  must bl r1 -- trust sign $r:0 --digest "sha256:$(printf %064d 0)" --length 10
  rm -rf "$(home r2)"; cp -r "$(home r1)" "$(home r2)"
  for i in 1 2 3 4; do
    ( for _ in 1 2 3 4 5 6; do bl r1 -- trust sign $r:a$i --digest "sha256:$(printf %064d $i)" --length 10 && exit; done; exit 1 ) & p+=($!)
    ( for _ in 1 2 3 4 5 6; do nt r2 addhash -p $r b$i 10 --sha256 "$(printf %064d $i)" && exit; nt r2 reset --all $r; done; exit 1 ) & p+=($!)
    wait "${p[@]}" || reason "a publisher gave up"
    p=()
  done
  mustjson trust_json fresh $r
  eq "$(jq -r '.[0].SignedTags|map(.SignedTag)|join(",")' <<<"$OUT")" 0,a1,a2,a3,a4,b1,b2,b3,b4 "signed tags"
}

b9_tokens() { # token auth with docker's stored credentials
  [ -n "$TOKEN_URL" ] || skip "needs START_SERVER_CMD"
  local r=$ARP/team/bulla t=DOCKER_CONTENT_TRUST_SERVER=$TOKEN_URL
  must bl tok-alice $t -- trust sign $r:1 --digest "sha256:$(printf %064d 7)" --length 10
  must bl tok-alice $t -- trust verify $r:1; has "$r@sha256:$(printf %064d 7)"
  must bl tok-bob $t -- trust inspect $r:1
  # the registry wants a token, too
  mkimg $r:3 "three"; must _docker 0 tok-alice -- push $r:3
  local d; d=$(digest_of_push)
  must bl tok-alice $t -- trust sign $r:3
  must bl tok-bob $t -- trust verify --check-registry $r:3; has "$r@$d"
  exits 1 bl tok-bob $t -- trust sign $r-new:1 --digest "sha256:$(printf %064d 8)" --length 10
  has "you are not authorized to perform this operation: server returned 401."
  for u in stale garbage forged wrongaud otherrepo none; do
    exits 1 bl tok-$u $t -- trust verify $r:1; has "server returned 401"; hasnt "@sha256"
  done
}

b10_begun() { # a first publish that another client began and that never arrived
  local r=$RP/matrix/begun t d; t=$(home m15)/.docker/trust/tuf/$r/metadata
  new_home m15 >/dev/null; new_home m16 >/dev/null
  mkimg $r:1 "one"; must dct m15 -- push $r:1
  d=$(digest_of_push)
  must nt m16 delete --remote $r
  # what docker keeps before it sends, and no more
  eq "$(ls "$t" | tr '\n' ' ')" "root.json targets.json " "what docker keeps of a first publish"
  local before; before=$(trust_listing m15)
  exits 3 bl m15 -- trust verify $r:1; has "$TRUST_HP does not have trust data for $r"
  exits 1 bl m15 -- trust inspect $r:1; has "no trust data for $r"; has "no signatures or cannot access $r:1"
  eq "$(trust_listing m15)" "$before" "the cache after reading what the server does not have"
  must bl m15 -- trust sign $r:1; has "Successfully signed $r:1"
  cmp <(role_json $r root) "$t/root.json" || reason "another root than the kept one was published"
  eq "$(key_count m15 root),$(key_count m15 targets)" 1,1 "keys"
  must bl fresh -- trust verify $r:1; has "$r@$d"
  mkimg $r:2 "two"; must dct m15 -- push $r:2; has "Successfully signed $r:2"; hasnt "Finished initializing"
  # once the server has served it, a 404 is no first publish any more
  must bl m15 -- trust verify $r:2
  must nt m16 delete --remote $r
  before=$(trust_listing m15)
  exits 3 bl m15 -- trust sign $r:3 --digest "$d" --length 10; has "remove $t to begin anew"
  eq "$(trust_listing m15)" "$before" "the cache after a refusal to sign"
  # notary's way: the snapshot key is ours as well
  must nt m16 init $r-too
  must bl m16 -- trust sign $r-too:1 --digest "$d" --length 10
  must bl fresh -- trust verify $r-too:1; has "$r-too@$d"
  must nt m16 list $r-too; hasre "^1 "
}

b11_pins() { # what is pinned holds for first, cached and rotated roots, and for names that notary forgets
  local r=$RP/matrix/pin big=$RP/matrix/Pin h pins d
  new_home pub >/dev/null; new_home m17 >/dev/null; h=$(home m17)/.docker/trust; mkdir -p "$h"
  pin() { printf '%s\n' "$1" >"$h/bulla.json"; }
  mkimg $r:1 "one"; must dct pub -- push $r:1; d=$(digest_of_push)
  mustjson bl pub -- --output json pin show $r; pins=$(jq -c '{pins}' <<<"$OUT")
  eq "$(jq -r ".pins.certs[\"$r\"][0]" <<<"$pins")" "$(role_json $r root | jq -r '.signed.roles.root.keyids[0]')" "the id to pin"
  pin '{"pins": {"disable_tofu": true}}'
  exits 3 bl m17 -- trust verify $r:1; has "nothing is pinned for $r"; [ ! -e "$h/tuf" ] || reason "something was kept"
  pin "$pins"; exits 0 bl m17 -- trust verify $r:1; has "$r@$d"
  # a pin that the cached root does not fit
  local before; before=$(trust_listing m17 | grep -v bulla.json)
  pin "{\"pins\": {\"certs\": {\"$RP/*\": [\"$(printf %064d 0)\"]}}}"
  exits 3 bl m17 -- trust verify $r:1; has "version 1 of the root of $r has $(jq -r ".pins.certs[\"$r\"][0]" <<<"$pins")"
  eq "$(trust_listing m17 | grep -v bulla.json)" "$before" "the cache after a root that is not the pinned one"
  # rotated by notary, twice: signatures lead there from the pinned one, for a cached root and for a first one
  ANSWER=yes must nt pub key rotate $r root
  ANSWER=yes must nt pub key rotate $r root
  pin "$pins"
  exits 0 bl m17 -- trust verify $r:1; has "replace the pin (bulla pin show $r)"
  rm -r "$h/tuf"; exits 0 bl m17 -- trust verify $r:1; has "replace the pin (bulla pin show $r)"
  # the same name under another root, to somebody new
  must nt pub delete --remote $r; rm -r "$h/tuf"
  mkimg $r:1 "evil"; must dct other -- push $r:1
  exits 3 bl m17 -- trust verify $r:1; has "unable to match any certificates to trust_pinning config"
  [ ! -e "$h/tuf" ] || reason "something of a foreign root was kept"
  # notary's own file: notary forgets the pin of a name with capital letters
  must nt pub init -p $big
  printf '{"trust_dir": "%s", "remote_server": {"url": "%s", "root_ca": "%s"}, "trust_pinning": {"certs": {"%s": ["%s"]}}}\n' \
    "$W/pinned" "$TRUST_SERVER_URL" "$W/pki/client-ca.crt" $big "$(printf %064d 0)" >"$W/pinned.json"
  must env -i PATH="$PATH" HOME="$(home m17)" timeout 60 notary -c "$W/pinned.json" list $big
  exits 3 bl m17 -- -c "$W/pinned.json" pin show $big; has "trust_pinning.certs of \"$big\" in $W/pinned.json expects the certificate"
}

run_bulla() {
  scenario B1 b1_m1 "M1: docker signs first, bulla goes on"
  scenario B2 b2_m2 "M2, M3: bulla signs first, docker and notary go on"
  scenario B3 b3_m6 "M6: a key pair made by bulla in docker's hands, delegations"
  scenario B4 b4_m9 "M9: the cache while the server is away, and only then"
  scenario B5 b5_m10 "M10: docker reuses the cache that bulla wrote"
  scenario B6 b6_refusals "unsigned, overwritten, foreign: refused with the right exit status"
  scenario B7 b7_rotations "M4, M11: a snapshot key of our own, rotated keys"
  scenario B8 b8_concurrent "bulla and notary publish at once"
  scenario B9 b9_tokens "token auth with docker's stored credentials"
  scenario B10 b10_begun "a first publish that docker or notary began, carried on under its very root"
  scenario B11 b11_pins "pins: first, cached and rotated roots, and notary's configuration"
}
