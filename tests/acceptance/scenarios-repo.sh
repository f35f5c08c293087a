# Notary's verbs played by our client, where notary loses something: what is
# there is not begun anew, deleting one repository leaves the others, and what
# nobody can be asked about is not decided.  Sourced by e2e.sh after
# scenarios-bulla.sh.

r1_nothing_lost() {
  local g=$RP/repo/one inner=$RP/repo/one/inner h=r1 down=https://$TRUST_HOST:1 t before
  new_home $h >/dev/null; t=$(home $h)/.docker/trust
  printf 'one\n' >"$W/r1"; printf 'two\n' >"$W/r1b"
  # begun twice, here and elsewhere
  must bl $h -- repo init $g
  exits 1 bl $h -- repo init $g; has "trust data of $g is kept here already"
  must bl $h -- repo add -p $g v1 "$W/r1"; has "Successfully published changes for repository $g"
  must nt fresh list $g; hasre '^v1 '
  before=$(trust_listing $h)
  exits 1 bl $h -- repo init -p $g; has "trust data of $g is kept here already"
  eq "$(trust_listing $h)" "$before" "the trust directory after a refusal"
  new_home r1other >/dev/null
  exits 1 bl r1other -- repo init $g; has "the trust server has $g already"
  eq "$(key_count r1other root)" 0 "root keys after a refusal"
  # notary goes on with what we begin, and we with what notary begins
  must bl $h -- repo init $inner; must nt $h add -p $inner v1 "$W/r1"; must bl fresh -- repo list $inner; hasre '^v1 '
  must nt $h init $inner/deep; must bl $h -- repo add -p $inner/deep v1 "$W/r1"; must nt fresh list $inner/deep; hasre '^v1 '
  eq "$(role_json $inner/deep root | jq .signed.version),$(role_json $inner/deep targets | jq .signed.version)" 1,2 "versions of a first publish"
  # data that passes, and data that does not
  OUT=$(bl $h -- repo verify $g v1 -i "$W/r1") || reason "the signed data does not pass"; eq "$OUT" one "data that was passed on"
  exits 3 bl $h -- repo verify $g v1 -i "$W/r1b"; has "data not present in the trusted collection"; hasnt two
  exits 3 bl $h -- repo lookup $g v9; has "No valid trust data for v9"
  # nobody can be asked
  cp -r "$(home $h)/.docker/tls/$TRUST_HP" "$(home $h)/.docker/tls/$TRUST_HOST:1"
  exits 4 bl $h DOCKER_CONTENT_TRUST_SERVER=$down -- repo lookup $g v1
  exits 4 bl $h DOCKER_CONTENT_TRUST_SERVER=$down -- repo verify $g v1 -i "$W/r1"
  exits 0 bl $h DOCKER_CONTENT_TRUST_SERVER=$down -- repo lookup --allow-cached $g v1; has "v1 sha256:"
  exits 4 bl $h DOCKER_CONTENT_TRUST_SERVER=$down -- repo list $g; hasnt 'v1 '; has "say --allow-cached"
  exits 0 bl $h DOCKER_CONTENT_TRUST_SERVER=$down -- repo list --allow-cached $g; hasre '^v1 '; has "using cached trust data"
  exits 4 bl $h DOCKER_CONTENT_TRUST_SERVER=$down -- delegation list $g; has "say --allow-cached"
  exits 0 bl $h DOCKER_CONTENT_TRUST_SERVER=$down -- delegation list --allow-cached $g; has "using cached trust data"
  exits 4 bl $h DOCKER_CONTENT_TRUST_SERVER=$down -- repo publish $g
  # a server that does not delete: everything is still here
  before=$(trust_listing $h)
  exits 4 bl $h DOCKER_CONTENT_TRUST_SERVER=$down -- repo delete --remote $g
  eq "$(trust_listing $h)" "$before" "the trust directory after a refusal"
  # one is deleted, those below it are not, nor is any key
  local keys; keys=$(ls "$t/private" | wc -l)
  must bl $h -- repo delete $g; has "Successfully deleted local trust data for repository $g"
  [ ! -e "$t/tuf/$g/metadata" ] || reason "local metadata left"
  for r in $inner $inner/deep; do [ -s "$t/tuf/$r/metadata/root.json" ] || reason "the root of $r is gone"; must nt $h list $r; hasre '^v1 '; done
  eq "$(ls "$t/private" | wc -l)" "$keys" "key files"
  must nt $h list $g; hasre '^v1 '
  # everywhere, and begun anew (the reference's memory forgets what lies below as well)
  must bl $h -- repo delete --remote $g; has "Successfully deleted local and remote trust data for repository $g"
  new_home r1late >/dev/null; mustfail nt r1late list $g; has "does not have trust data for $g"
  must bl $h -- repo init -p $g; must nt $h list $g; has "No targets present"
}

r2_delegations() { # given by ours and by notary in turn, and used
  local g=$RP/repo/two h=r2
  new_home $h >/dev/null; new_home r2dev >/dev/null
  printf 'one\n' >"$W/r2"
  gencert "$W/r2a"; gencert "$W/r2b"
  must bl $h -- repo init -p $g
  must bl $h -- delegation add -p $g targets/releases "$W/r2a.cert.pem" --all-paths; has '"" <all paths>'
  must nt $h delegation add -p $g targets/qa "$W/r2b.cert.pem" --paths qa-
  must nt $h key rotate $g snapshot -r
  eq "$(bl fresh -- delegation list $g | sed '/^$/d')" "$(nt fresh delegation list $g | sed '/^$/d')" "delegations as ours and notary list them"
  must bl r2dev -- key import "$W/r2a.key.pem"; must nt r2dev key import "$W/r2b.key.pem"
  must bl r2dev -- repo add -p $g rel1 "$W/r2" -r targets/releases
  must nt r2dev add -p $g qa-1 "$W/r2" -r targets/qa
  must bl r2dev -- repo add -p $g qa-2 "$W/r2" -r targets/qa
  exits 1 bl r2dev -- repo add -p $g elsewhere "$W/r2" -r targets/qa; has "targets/qa may not list"
  must bl r2dev -- repo reset $g --all
  eq "$(bl fresh -- repo list $g)" "$(nt fresh list $g)" "targets as ours and notary list them"
  eq "$(bl fresh -- repo list $g -r targets/qa)" "$(nt fresh list $g -r targets/qa)" "targets of one role"
  # a key that is gone from a delegation, and a whole one
  local id; id=$(bl fresh -- delegation list $g | grep -E '^targets/qa' | grep -oE '[0-9a-f]{64}')
  must bl $h -- delegation purge -p $g --key "$id"
  must nt fresh delegation list $g; hasre '^targets/qa'; hasnt "$id"
  exits 3 bl r2dev -- repo add -p $g qa-3 "$W/r2" -r targets/qa; has "cannot edit targets/qa"
  must bl r2dev -- repo reset $g --all
  must nt $h delegation add -p $g targets/qa "$W/r2b.cert.pem"
  must bl r2dev -- repo witness -p $g targets/qa
  must nt fresh list $g; hasre '^qa-1 '; hasre '^rel1 '
  exits 1 bl $h -- delegation remove $g targets/qa; has "Are you sure you want to remove all data for this delegation? (yes/no)"; has "Aborting action."
  must bl $h -- delegation remove -y -p $g targets/qa
  must nt fresh delegation list $g; hasnt targets/qa; has targets/releases
  must nt fresh list $g; hasnt qa-1; hasre '^rel1 '
}

run_repo() {
  scenario R1 r1_nothing_lost "bulla repo: nothing is begun over what is there, nothing else is deleted"
  scenario R2 r2_delegations "delegations given by bulla and by notary in turn"
}
