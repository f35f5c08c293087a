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
  # what was signed before there were signers counts again
  r=$RP/signers/before
  must bl g2 -- trust sign $r:0 --digest "$d" --length 10
  must bl g2 -- trust signer add --key "$W/pairs/bob2.pub" bob2 $r
  must bl g2bob -- trust sign $r:1 --digest "$d" --length 10
  OUT=$(bl g2 -- --output json trust signer remove -f bob2 $r 2>"$W/g2.err") || reason "signer remove in JSON"
  eq "$(jq -c . <<<"$OUT")" "{\"signer\":\"bob2\",\"repositories\":[{\"repository\":\"$r\",\"removed\":true,\"roles\":[\"targets\"]}]}" "what it says in JSON"
  OUT=$(jq -r '.warning // empty' "$W/g2.err"); has "what targets of $r lists counts again, however old it is: 0"
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
  has "bulla repo witness -p $r targets/releases"
  must bl g3carol -- repo witness -p $r targets/releases
  must bl g3carol -- trust sign $r:2 --digest "$d" --length 10
  eq "$(signed_by $r)" "1=Repo Admin 2=carol3" "signed tags"
  # or what it lists is dropped
  r=$RP/signers/drop
  for x in bob3 carol3; do must bl g3 -- trust signer add --key "$W/pairs/$x.pub" $x $r; done
  must bl g3bob -- trust sign $r:1 --digest "$d" --length 10
  ANSWER=y must dk g3 -- trust signer remove bob3 $r; has "Successfully removed bob3 from $r"
  must bl g3carol -- trust revoke -y $r
  must bl g3carol -- trust sign $r:2 --digest "$d" --length 10
  eq "$(signed_by $r)" "2=carol3" "signed tags"; same_inspect fresh $r
  # docker's removal of the last signer leaves a role without a key
  ANSWER=y must dk g3 -- trust signer remove carol3 $r; has "Successfully removed carol3 from $r"
  same_inspect fresh $r; exits 3 bl fresh -- trust verify $r:2
  must bl g3 -- trust signer add --key "$W/pairs/bob3.pub" bob3 $r
  must bl g3bob -- trust revoke -y $r; must bl g3bob -- trust sign $r:3 --digest "$d" --length 10
  eq "$(signed_by $r)" "3=bob3" "signed tags"; same_inspect fresh $r
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
  exits 4 bl g4 DOCKER_CONTENT_TRUST_SERVER=https://nowhere.invalid:1 -- trust revoke $r:2; has "cannot reach"
  exits 1 bl g4 DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=not-the-passphrase -- trust revoke $r:2; has "does not open"
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

g5_lookup() { # whose word counts for a tag, in many layouts
  local r=$RP/signers/lookup t x h=g5bob
  same() { for t in "" :top :both :1.10 :rel :qa :nobody; do same_inspect fresh "$r$t"; done; }
  # docker lists a tag that stands for two digests in random order
  same_lines() {
    for t in "" :both :1.10 :rel :qa :nobody; do
      for x in "" --pretty; do
        diff <(dk fresh -- trust inspect $x "$r$t" 2>/dev/null | sort) <(bl fresh -- trust inspect $x "$r$t" 2>/dev/null | sort) || reason "inspect $x $r$t differs from docker's"
      done
    done
  }
  digit() { printf %064d "$1"; }
  new_home g5 >/dev/null; new_home g5bob >/dev/null
  must nt g5 init -p $r
  for t in top both 1.10 1.9 v01 v1 'we<ird&>' '\u00fc "q" \b' ' sp ace '; do must nt g5 addhash -p $r "$t" 10 --sha256 "$(digit 1)"; done
  must nt g5 addhash -p $r long 10 --sha512 "$(printf %0128d 5)"
  same; same_inspect fresh "$r:long"
  for x in one two; do gencert "$W/g5$x"; must nt $h key import "$W/g5$x.key.pem" --role user; done
  cp "$(home g5)"/.docker/trust/private/*.key "$(home $h)/.docker/trust/private/"
  must nt g5 delegation add -p $r targets/releases "$W/g5one.cert.pem" --paths rel,both,1.
  must nt g5 delegation add -p $r targets/qa "$W/g5one.cert.pem" --paths rel,qa,both
  must nt g5 delegation add -p $r targets/b "$W/g5two.cert.pem" "$W/g5one.cert.pem" --all-paths
  same
  must nt $h addhash -p $r both 10 --sha256 "$(digit 2)" -r targets/releases,targets/b; same_lines
  must nt $h addhash -p $r both 10 --sha256 "$(digit 1)" -r targets/qa
  must nt $h addhash -p $r rel 10 --sha256 "$(digit 2)" -r targets/releases,targets/qa
  must nt $h addhash -p $r qa 10 --sha256 "$(digit 2)" -r targets/qa
  must nt $h addhash -p $r 1.10 10 --sha256 "$(digit 2)" -r targets/releases; same_lines
  must nt $h delegation add -p $r targets/qa/deep "$W/g5two.cert.pem" --paths rel,both
  must nt $h addhash -p $r rel 10 --sha256 "$(digit 2)" -r targets/qa/deep
  must nt $h addhash -p $r both 10 --sha256 "$(digit 2)" -r targets/qa/deep
  must nt $h delegation add -p $r targets/releases/sub "$W/g5two.cert.pem" --paths rel
  must nt $h addhash -p $r rel-sub 10 --sha256 "$(digit 3)" -r targets/releases/sub; same_lines
  # what is listed, and then may not be any more: docker's list of all tags has it still, its pull has not
  must nt g5 delegation remove -p $r targets/releases --paths both
  same_inspect fresh $r:both
  eq "$(bl fresh -- trust inspect $r | jq -r '.[0].SignedTags[]|select(.SignedTag=="both").Digest')" "$(digit 1)" "what both stands for"
  # what a pull asks the registry for is what we verify, or both find nothing
  local pulled=
  for t in top both 1.10 1.9 rel rel-sub qa v1 nobody; do
    dct fresh -- pull $r:$t >"$W/g5.pull" 2>&1
    x=$(grep -oE 'Pull \(1 of 1\): [^ ]*' "$W/g5.pull" | sed 's/.*@//')
    eq "$(bl fresh -- trust verify $r:$t 2>/dev/null | sed 's/.*@//')" "$x" "what is taken for $t"
    pulled+=${x:+$t }
  done
  eq "$pulled" "top both 1.10 1.9 rel v1 " "tags that docker pulls"
}

g6_sign() { # docker trust sign's own ways
  local r=$RP/signers/sign d
  new_home g6alice alice >/dev/null; new_home g6 >/dev/null
  # an unknown repository: the registry's user becomes the first signer, and docker goes on
  mkimg $r:1 "one"
  must bl g6alice DOCKER_HOST="unix://$SOCK" -- trust sign --local $r:1
  has "Signing and pushing trust data for local image $r:1, may overwrite remote trust data"
  has "Created signer: alice"; has "Finished initializing signed repository for $r:1"; has "Successfully signed $r:1"
  d=$(digest_of_push); eq "$d" "$(reg_digest $r:1)" "digest"
  eq "$(delegations $r)" "alice=1 releases=1" delegations; eq "$(signed_by $r)" "1=alice" "signed tags"
  eq "$(key_count g6alice root),$(key_count g6alice targets),$(key_count g6alice alice)" 1,1,1 "keys"
  same_inspect fresh $r; must dct fresh -- pull $r:1; has "$d"
  must bl g6alice -- trust sign $r:1; has "Existing signatures for tag 1 digest ${d#sha256:} from:"; has alice
  mkimg $r:2 "two"; must dct g6alice -- push $r:2; has "Successfully signed $r:2"
  # the same key signs the next repository; what is nowhere cannot be signed
  must bl g6alice -- trust sign $r-too:1 --digest "$d" --length 10; has "Created signer: alice"
  eq "$(key_count g6alice alice),$(key_count g6alice root),$(key_count g6alice targets)" 1,1,2 "keys"
  exits 3 bl g6alice DOCKER_HOST="unix://$SOCK" -- trust sign $r:absent; has "docker did not push $r:absent"
  # a tag that the registry has not got is pushed, as docker trust sign does
  mkimg $r:3 "three"
  must bl g6alice DOCKER_HOST="unix://$SOCK" -- trust sign $r:3; has "Successfully signed $r:3"
  eq "$(reg_digest $r:3)" "sha256:$(signed_digest fresh $r 3)" "signed digest"
  # nobody logged in, and a repository that is there: no signer
  must bl g6 -- trust sign $r-plain:1 --digest "$d" --length 10; has "Finished initializing \"$r-plain\""; hasnt "Created signer"
  eq "$(delegations $r-plain)" "" delegations
  cp "$(home g6)"/.docker/trust/private/*.key "$(home g6alice)/.docker/trust/private/"
  must bl g6alice -- trust sign $r-plain:2 --digest "$d" --length 10; hasnt "Created signer"
  eq "$(signed_by $r-plain)" "1=Repo Admin 2=Repo Admin" "signed tags"
}

run_signers() {
  scenario G1 g1_add "M5: signers added by bulla, key pairs and signatures by docker"
  scenario G2 g2_remove "signers removed by bulla, and what was released stays signed"
  scenario G3 g3_mend "releases that docker's removal left without a signature"
  scenario G4 g4_revoke "tags revoked by bulla, with and without signers"
  scenario G5 g5_lookup "whose word counts: paths, nested delegations, uncommon names, as docker has it"
  scenario G6 g6_sign "first signers, local images and existing signatures, as docker trust sign has them"
}
