# Signers and what they release, with our client beside docker.  Sourced by
# e2e.sh after scenarios-bulla.sh.

# delegations REPOSITORY: NAME=KEYS of each, in the order of the file
delegations() { role_json "$1" targets | jq -r '[.signed.delegations.roles[]|"\(.name|ltrimstr("targets/"))=\(.keyids|length)"]|join(" ")'; }
# signed_by REPOSITORY: the tags and who signed them, by docker's own eyes
signed_by() { trust_json fresh "$1" | jq -r '.[0].SignedTags|map(.SignedTag+"="+(.Signers|sort|join("+")))|join(" ")'; }
# pair HOMENAME NAME: a key pair of docker's making, the public key in $W/pairs
pair() { mkdir -p "$W/pairs"; new_home "$1" >/dev/null; ( cd "$W/pairs" && must dk "$1" -- trust key generate "$2" ) || exit 1; }

g1_add() { # M5: docker's key pair, our signer
  local r=$RP/signers/add
  pair g1bob bob; pair g1carol carol
  grep -q '^role: bob' "$W/pairs/bob.pub" || reason "bob.pub does not name the role"
  new_home g1 >/dev/null
  must bl g1 -- trust signer add --key "$W/pairs/bob.pub" bob $r
  has "Adding signer \"bob\" to $r..."; has "Initializing signed repository for $r..."; has "Successfully initialized \"$r\""
  has "Successfully added signer: bob to $r"
  eq "$(delegations $r)" "bob=1 releases=1" delegations
  eq "$(role_json $r targets | jq -c '[.signed.delegations.roles[].paths]')" '[[""],[""]]' "paths"
  eq "$(key_count g1 root),$(key_count g1 targets)" 1,1 "keys"
  mustjson trust_json fresh $r
  eq "$(jq -r '.[0].Signers[0]|.Name+"="+.Keys[0].ID' <<<"$OUT")" "bob=$(basename "$(home g1bob)"/.docker/trust/private/*.key .key)" "signer as docker lists it"
  # the same again is nothing to do; a certificate and a second key are
  must bl g1 -- trust signer add --key "$W/pairs/bob.pub" bob $r; has "bob has these keys already in $r"
  gencert "$W/pairs/g1"
  must bl g1 -- trust signer add --key "$W/pairs/g1.cert.pem" --key "$W/pairs/carol.pub" carol $r $r-too
  has "Successfully added signer: carol to $r"; has "Successfully added signer: carol to $r-too"
  eq "$(delegations $r)" "bob=1 releases=3 carol=2" delegations
  same_inspect fresh $r; same_inspect fresh $r-too
  # docker signs as bob, and adds a signer after us
  mkimg $r:1 "one"; must dct g1bob -- push $r:1; has "Successfully signed $r:1"
  local d; d=$(digest_of_push)
  eq "$(signed_by $r)" "1=bob" "signed tags"
  must bl fresh -- trust verify $r:1; has "$r@$d"
  must dk g1 -- trust signer add --key "$W/pairs/carol.pub" dora $r
  must bl g1carol -- trust sign $r:2 --digest "$d" --length 10
  eq "$(signed_by $r)" "1=bob 2=carol+dora" "signed tags"
  # refusals, in docker's words
  exits 1 bl g1 -- trust signer add --key "$W/pairs/bob.pub" Bob $r; has 'signer name "Bob" must start with lowercase alphanumeric characters'
  exits 1 bl g1 -- trust signer add --key "$W/pairs/bob.pub" releases $r; has "releases is a reserved keyword, use a different signer name"
  exits 1 bl g1 -- trust signer add eve $r; has 'path to a public key must be provided using the `--key` flag'
  exits 1 bl g1 -- trust signer add --key "$W/pairs/nobody.pub" eve $r; has "unable to read public key from file: $W/pairs/nobody.pub"
  exits 1 bl g1 -- trust signer add --key "$W/pairs/g1.key.pem" eve $r; has "could not parse public key from file: $W/pairs/g1.key.pem: unsupported PEM block type \"PRIVATE KEY\", expected CERTIFICATE or PUBLIC KEY"
  exits 1 bl g1bob -- trust signer add --key "$W/pairs/bob.pub" eve $r
  has "failed to add signer to: $r"; has "could not find necessary signing keys, at least one of these keys must be available"
  exits 1 bl g1 -- trust signer add --key "$W/pairs/bob.pub" eve Bad/Repo $r
  has "Successfully added signer: eve to $r"; has "failed to add signer to: Bad/Repo: invalid reference format: repository name"
}

g2_remove() { # what docker's own removal does not do
  local r=$RP/signers/remove d key
  pair g2bob bob2; pair g2carol carol2
  new_home g2 >/dev/null
  for x in bob2 carol2; do must bl g2 -- trust signer add --key "$W/pairs/$x.pub" $x $r; done
  mkimg $r:1 "one"; must dct g2bob -- push $r:1; d=$(digest_of_push)
  exits 1 bl g2 -- trust signer remove nobody $r; has "error removing signer from: $r: no signer nobody for repository $r"
  exits 1 bl g2 -- trust signer remove releases $r; has "releases is a reserved keyword and cannot be removed"
  exits 3 bl g2 -- trust signer remove bob2 $r-none; has "$TRUST_HP does not have trust data for $r-none"
  exits 1 bl g2bob -- trust signer remove carol2 $r; has "could not find necessary signing keys"
  # bob signed what is released, and the owner has no key that could sign it anew
  key=$(basename "$(home g2carol)"/.docker/trust/private/*.key .key)
  exits 1 bl g2 -- trust signer remove bob2 $r
  has "no key is here that could sign targets/releases anew"; has "carol2 (key $key)"
  ANSWER=n; OUT=$(answer | _bl_asked g2 trust signer remove bob2 $r 2>&1) || reason "a no is no failure"
  has "The signer \"bob2\" signed the last released version of $r."; has "Aborting action."
  eq "$(delegations $r)" "bob2=1 releases=2 carol2=1" "delegations after no"
  # carol2 is not the one who signed: docker's does nothing for her, ours removes her
  must bl g2 -- trust signer remove carol2 $r; has "Successfully removed carol2 from $r"
  eq "$(delegations $r)" "bob2=1 releases=1" delegations
  must dct fresh -- pull $r:1
  must bl g2 -- trust signer add --key "$W/pairs/carol2.pub" carol2 $r
  # after carol signed a tag, bob can go, and his tag stays
  must bl g2carol -- trust sign $r:2 --digest "$d" --length 10
  must bl g2 -- trust signer remove bob2 $r; has "Successfully removed bob2 from $r"
  eq "$(delegations $r)" "releases=1 carol2=1" delegations
  eq "$(signed_by $r)" "1=Repo Admin 2=carol2" "signed tags"
  must dct fresh -- pull $r:1; mustfail dct g2bob -- push $r:1; has "no valid signing keys for delegation roles"
  same_inspect fresh $r
  # a key that stays is here: the releases are signed anew in the same publish
  r=$RP/signers/anew
  for x in bob2 carol2; do must bl g2 -- trust signer add --key "$W/pairs/$x.pub" $x $r; done
  must bl g2bob -- trust sign $r:1 --digest "$d" --length 10
  cp "$(home g2carol)"/.docker/trust/private/*.key "$(home g2)/.docker/trust/private/"
  local before; before=$(role_json $r timestamp | jq .signed.version)
  must bl g2 -- trust signer remove bob2 $r; has "Successfully removed bob2 from $r"
  eq "$(role_json $r timestamp | jq .signed.version)" $((before + 1)) "publishes"
  eq "$(role_json $r targets/releases | jq -r '.signatures[].keyid')" "$(role_json $r targets | jq -r '.signed.delegations.roles[]|select(.name=="targets/carol2").keyids[0]')" "who signs the releases"
  must bl fresh -- trust verify $r:1; same_inspect fresh $r
  # the last one, with -f and for several repositories
  exits 1 bl g2 -- trust signer remove carol2 $r; has "the signer carol2 is the last one"
  exits 1 bl g2 -- trust signer remove -f carol2 $r $r-none
  has "Successfully removed carol2 from $r"; has "error removing signer from: $r-none"
  eq "$(delegations $r)" "" delegations
  exits 3 bl fresh -- trust verify $r:1
  mkimg $r:3 "three"; must dct g2 -- push $r:3; has "Successfully signed $r:3"
  eq "$(signed_by $r)" "3=Repo Admin" "signed tags"
}
# as bl, but it reads the answer that comes
_bl_asked() {
  local h=$1; shift
  env -i PATH="$PATH" HOME="$W/home/$h" DOCKER_CONTENT_TRUST_SERVER="$TRUST_SERVER_URL" \
    DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE="$RPASS" DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE="$TPASS" timeout 120 "$BULLA_CLI" "$@"
}

g3_mend() { # a removal by docker that left the releases without a signature
  local r=$RP/signers/mend d
  pair g3bob bob3; pair g3carol carol3
  new_home g3 >/dev/null
  for x in bob3 carol3; do must bl g3 -- trust signer add --key "$W/pairs/$x.pub" $x $r; done
  mkimg $r:1 "one"; must dct g3bob -- push $r:1; d=$(digest_of_push)
  ANSWER=y must dk g3 -- trust signer remove bob3 $r; has "Successfully removed bob3 from $r"
  exits 3 bl fresh -- trust verify $r:1; has "targets/releases does not count"
  exits 3 bl g3carol -- trust sign $r:2 --digest "$d" --length 10; has "cannot edit targets/releases"
  must nt g3carol witness -p $r targets/releases
  must bl g3carol -- trust sign $r:2 --digest "$d" --length 10
  eq "$(signed_by $r)" "1=Repo Admin 2=carol3" "signed tags"
}

g4_revoke() { # with and without signers
  local r=$RP/signers/revoke d
  pair g4bob bob4
  new_home g4 >/dev/null
  mkimg $r:1 "one"; must dct g4 -- push $r:1; d=$(digest_of_push)
  must bl g4 -- trust sign $r:2 --digest "$d" --length 10
  exits 3 bl g4 -- trust revoke $r:3; has "could not remove signature for $r:3: No valid trust data for 3"
  exits 3 bl g4 -- trust revoke $r-none:1; has "could not remove signature for $r-none:1"; has "$TRUST_HP does not have trust data for $r-none"
  exits 1 bl g4 -- trust revoke "$r@$d"; has "cannot use a digest reference for IMAGE:TAG"
  exits 1 bl fresh -- trust revoke $r:1; has "could not find necessary signing keys, at least one of these keys must be available"
  exits 1 bl g4 -- trust revoke $r; has "Confirm you would like to delete all signature data for $r? [y/N]"; has "nobody answered; say --yes"
  must bl g4 -- trust revoke $r:2; has "Successfully deleted signature for $r:2"
  eq "$(signed_by $r)" "1=Repo Admin" "signed tags"
  # bob's are his to revoke, and what the owner signed before is not
  must bl g4 -- trust signer add --key "$W/pairs/bob4.pub" bob4 $r
  must bl g4bob -- trust sign $r:3 --digest "$d" --length 10
  must bl g4bob -- trust sign $r:1 --digest "$d" --length 10
  exits 1 bl g4 -- trust revoke $r:3; has "none of its keys is here"
  must bl g4bob -- trust revoke $r:3; has "Successfully deleted signature for $r:3"
  mustfail dct fresh -- pull $r:3
  exits 1 bl g4bob -- trust revoke $r:1; has "1 would stay signed by targets"
  must dct fresh -- pull $r:1
  same_inspect fresh $r
  cp "$(home g4bob)"/.docker/trust/private/*.key "$(home g4)/.docker/trust/private/"
  must bl g4 -- trust revoke -y $r; has "Successfully deleted signature for $r"
  eq "$(signed_by $r)" "" "signed tags"
  same_inspect fresh $r
  exits 3 bl g4 -- trust revoke -y $r; has "could not remove signature for $r: no signed tags to remove"
}

run_signers() {
  scenario G1 g1_add "M5: signers added by bulla, key pairs and signatures by docker"
  scenario G2 g2_remove "signers removed by bulla, and what was released stays signed"
  scenario G3 g3_mend "releases that docker's removal left without a signature"
  scenario G4 g4_revoke "tags revoked by bulla, with and without signers"
}
