# Private keys that wander between notary, docker and our client, and keys of
# every kind in their places.  Sourced by e2e.sh after scenarios-bulla.sh.

# key_files HOMENAME: the private keys with their bytes
key_files() { (cd "$(home "$1")/.docker/trust/private" && sha256sum ./*.key); }
# key_ids HOMENAME: role and id of each key, as notary lists them
key_ids() { nt "$1" key list | awk 'NF && $1 != "ROLE" && $1 !~ /^-/ {print $1, $(NF-1)}' | sort; }
private_only() { # HOMENAME
  local t; t=$(home "$1")/.docker/trust
  eq "$(find "$t" -type f ! -perm 0600 | wc -l),$(find "$t" -type d ! -perm 0700 | wc -l)" 0,0 "files not 0600, directories not 0700"
}

y1_m15() { # notary's keys in our hands, and back
  local r=$RP/keys/wander d ids
  for x in y1 y1b y1c; do new_home $x >/dev/null; done
  must nt y1 init $r; must nt y1 publish $r
  ids=$(key_ids y1); eq "$(wc -l <<<"$ids")" 3 "keys of notary"
  eq "$(bl y1 -- key list)" "$(nt y1 key list)" "the table"
  eq "$(bl y1 -- key export | sha256sum)" "$(nt y1 key export | sha256sum)" "the export"
  must nt y1 key export -o "$W/y1.pem"
  # no passphrase is at hand, and none is needed
  ( umask 000; must bl y1b DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE= DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE= -- key import "$W/y1.pem" ) || exit 1
  private_only y1b
  eq "$(key_files y1b)" "$(key_files y1)" "key files after our import"
  eq "$(key_ids y1b)" "$ids" "ids after our import"
  # they sign under the passphrases that they had
  mkimg $r:1 "one"; must dk y1b -- push $r:1; d=$(digest_of_push)
  must bl y1b -- trust sign $r:1
  must bl fresh -- trust verify $r:1; has "$r@$d"
  must dct fresh -- pull $r:1
  # and back
  ( umask 077; must bl y1b -- key export -o "$W/y1b.pem" ) || exit 1
  eq "$(stat -c %a "$W/y1b.pem")" 600 "mode of the export"
  must nt y1c key import "$W/y1b.pem"
  eq "$(key_files y1c)" "$(key_files y1)" "key files after notary's import"
  must nt y1c add -p $r two "$W/y1.pem"; must nt fresh list $r; hasre "^1 "; hasre "^two "
  # a passphrase that we changed is notary's, too
  printf 'another passphrase\n' >"$W/y1.new"; chmod 600 "$W/y1.new"
  for id in $(awk '{print $2}' <<<"$ids"); do must bl y1c BULLA_NEW_PASSPHRASE_FILE="$W/y1.new" -- key passwd "$id"; done
  mustfail nt y1c add -p $r three "$W/y1.pem"
  RPASS='another passphrase' TPASS='another passphrase' must nt y1c publish $r; must nt fresh list $r; hasre "^three "
  eq "$(key_ids y1c)" "$ids" "ids after the change"
}

y2_kinds() { # signers with keys of every kind
  local r=$RP/keys/kinds d kinds="ecdsa p384 p521 ed25519" names="" x
  mkdir -p "$W/y2"; new_home y2 >/dev/null
  mkimg $r:1 "one"; must dk y2 -- push $r:1; d=$(digest_of_push)
  for x in $kinds; do
    new_home y2$x >/dev/null; new_home y2d$x >/dev/null
    ( cd "$W/y2" && must bl y2$x -- key generate $x --role $x -o $x ) || exit 1
    # our file in docker's hands: the same key, under the same passphrase
    must dk y2d$x -- trust key load --name $x "$W/y2/$x-key.pem"
    must bl y2$x -- key import "$W/y2/$x-key.pem"
    eq "$(key_files y2d$x)" "$(key_files y2$x)" "key of $x after docker's load"
  done
  new_home y2rsa >/dev/null; gencert "$W/y2/rsa"
  must bl y2rsa -- trust key load --name rsa "$W/y2/rsa.key.pem"
  for x in $kinds; do must bl y2 -- trust signer add --key "$W/y2/$x.pem" $x $r; done
  must bl y2 -- trust signer add --key "$W/y2/rsa.cert.pem" rsa $r
  for x in $kinds rsa; do
    must bl y2$x -- trust sign $r:$x --digest "$d" --length 10
    must bl fresh -- trust verify $r:$x; has "$r@$d"
    names="$names$x=$x "
  done
  eq "$(trust_json fresh $r | jq -r '.[0].SignedTags|map(.SignedTag+"="+(.Signers|join("+")))|sort|join(" ")')" "$(tr ' ' '\n' <<<"$names" | sort | xargs)" "signed tags, as docker sees them"
  must nt fresh list $r --roles targets/releases; for x in $kinds rsa; do hasre "^$x "; done
  for x in $kinds rsa; do must dct fresh -- pull $r:$x; has "Digest: $d"; done
  # docker signs with what we made
  for x in $kinds; do mkimg $r:d$x "$x"; must dct y2d$x -- push $r:d$x; has "Successfully signed $r:d$x"; must bl fresh -- trust verify $r:d$x; done
}

y3_roots() { # root keys that have certificates
  local x r
  for x in ecdsa p384; do
    r=$RP/keys/root-$x; new_home y3$x >/dev/null
    must bl y3$x -- key generate $x; has "Generated new $x root key with keyID: "
    mkimg $r:1 "one"; must dk y3$x -- push $r:1
    must bl y3$x -- trust sign $r:1
    eq "$(key_count y3$x root)" 1 "root keys"
    must dct fresh -- pull $r:1; must nt fresh list $r
    mkimg $r:2 "two"; must dct y3$x -- push $r:2; has "Successfully signed $r:2"
  done
  exits 1 bl y3p384 -- key generate ed25519; has "a root key must be ecdsa or p384"
  exits 1 bl y3p384 -- key remove "$(bl y3p384 -- --output json key list | jq -r '.keys[0].id')"; has "is a root key, and this may be its only copy"
}

y4_sources() { # a strongly sealed key of a pipeline, its passphrase from a file, a descriptor and a program
  local r=$RP/keys/sources d id
  new_home y4 >/dev/null; new_home y4ci >/dev/null
  printf 'of a file\n' >"$W/y4.pass"; chmod 600 "$W/y4.pass"
  printf '#!/bin/sh\necho of a file\n' >"$W/y4.ask"; chmod 700 "$W/y4.ask"
  none="DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE= DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE="
  ( cd "$(home y4ci)" && must bl y4ci $none BULLA_DELEGATION_PASSPHRASE_FILE="$W/y4.pass" -- trust key generate ci ) || exit 1
  id=$(bl y4ci -- --output json key list | jq -r '.keys[0].id')
  mkimg $r:1 "one"; must dk y4 -- push $r:1; d=$(digest_of_push)
  must bl y4 -- trust signer add --key "$(home y4ci)/ci.pub" ci $r
  must bl y4ci $none BULLA_NEW_PASSPHRASE_FILE="$W/y4.pass" BULLA_ASKPASS="$W/y4.ask" -- key passwd --kdf strong "$id"
  has "docker and notary cannot open keys that are sealed with --kdf strong"
  must bl y4ci $none BULLA_DELEGATION_PASSPHRASE_FILE="$W/y4.pass" -- trust sign $r:file --digest "$d" --length 10
  must bl y4ci $none BULLA_ASKPASS="$W/y4.ask" -- trust sign $r:asked --digest "$d" --length 10
  exec 7<"$W/y4.pass"
  must bl y4ci $none -- --passphrase-fd delegation=7 trust sign $r:descriptor --digest "$d" --length 10
  exec 7<&-
  for x in file asked descriptor; do must bl fresh -- trust verify $r:$x; has "$r@$d"; done
  exits 1 bl y4ci -- trust sign $r:none --digest "$d" --length 10
  has "the passphrase in DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE does not open the ci key"; hasnt "$TPASS"
  exits 1 bl y4ci $none -- trust sign $r:none --digest "$d" --length 10
  has "set DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE or BULLA_DELEGATION_PASSPHRASE_FILE, use --passphrase-fd, or run at a terminal"
  # notary opens it again once it is sealed its way
  mustfail nt y4ci key passwd "$id"
  must bl y4ci $none BULLA_NEW_PASSPHRASE_FILE="$W/y4.pass" BULLA_ASKPASS="$W/y4.ask" -- key passwd "$id"
  TPASS='of a file' must nt y4ci key passwd "$id"
}

y5_backup() { # a machine burns down; another has the backup
  local r=$RP/keys/backup d ids
  for x in y5a y5b; do new_home $x >/dev/null; done
  printf 'of the backup\n' >"$W/y5.pass"; chmod 600 "$W/y5.pass"
  mkimg $r:1 "one"; must dk y5a -- push $r:1; must bl y5a -- trust sign $r:1
  must bl y5a BULLA_BUNDLE_PASSPHRASE_FILE="$W/y5.pass" -- key backup "$W/y5.bundle"
  has "which was read back and opened"; hasnt "not opened"; has "root of $r"
  eq "$(stat -c %a "$W/y5.bundle")" 600 "mode of the backup"
  exits 1 bl y5a BULLA_BUNDLE_PASSPHRASE_FILE="$W/y5.pass" -- key backup "$W/y5.bundle"; has "exists and is not overwritten"
  ids=$(key_ids y5a)
  # the passphrases of keys do not open it, and a check writes nothing
  exits 1 bl y5b -- key restore "$W/y5.bundle"; has "no passphrase for the bundle"
  must bl y5b BULLA_BUNDLE_PASSPHRASE_FILE="$W/y5.pass" -- key restore --check "$W/y5.bundle"; hasnt "not opened"
  [ ! -e "$(home y5b)/.docker/trust" ] || reason "a check wrote something"
  ( umask 000; must bl y5b BULLA_BUNDLE_PASSPHRASE_FILE="$W/y5.pass" -- key restore "$W/y5.bundle" ) || exit 1
  private_only y5b
  eq "$(key_files y5b)" "$(key_files y5a)" "key files"; eq "$(key_ids y5b)" "$ids" "ids, as notary lists them"
  rm -rf "$(home y5a)"
  # signs, also in docker's hands, and can change the root
  mkimg $r:2 "two"; must dk y5b -- push $r:2; d=$(digest_of_push); must bl y5b -- trust sign $r:2
  must bl y5b -- key rotate -y $r root
  mkimg $r:3 "three"; must dct y5b -- push $r:3; has "Successfully signed $r:3"
  must bl fresh -- trust verify $r:2; has "$r@$d"
  must dct fresh -- pull $r:2; has "Digest: $d"
  must nt fresh list $r; for x in 1 2 3; do hasre "^$x "; done
  # with the roots: who makes the repository anew is believed by strangers, and not by a restored machine
  for x in y5c y5thief y5stranger; do new_home $x >/dev/null; done
  must bl y5c BULLA_BUNDLE_PASSPHRASE_FILE="$W/y5.pass" -- key restore "$W/y5.bundle"
  must bl y5thief -- repo delete --remote $r; mkimg $r:2 "other"; must dct y5thief -- push $r:2
  must bl y5stranger -- trust verify $r:2
  exits 3 bl y5c -- trust verify $r:2; has "root"
}

y6_shares() { # a root key that no machine has, but any two of three holders
  local r=$RP/keys/shares d id pass="DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE=of the other machine"
  for x in y6a y6c; do new_home $x >/dev/null; done
  mkimg $r:1 "one"; must dk y6a -- push $r:1; d=$(digest_of_push); must bl y6a -- trust sign $r:1
  id=$(bl y6a -- --output json key list | jq -r '.keys[]|select(.role=="root").id')
  # a disk with room for two shares has none, and the key is still there
  mkdir "$W/y6.small"; mount -t tmpfs -o size=8k,mode=700 y6 "$W/y6.small"
  exits 1 bl y6a -- key share "$id" --shares 3 --threshold 2 --dir "$W/y6.small" --remove; has "No space left on device"
  eq "$(find "$W/y6.small" -type f | wc -l)" 0 "files on the full disk"; umount "$W/y6.small"
  eq "$(key_count y6a root)" 1 "root keys after the full disk"
  ( umask 000; must bl y6a -- key share "$id" --shares 3 --threshold 2 --dir "$W/y6.shares" --remove; has "Removed the key from" ) || exit 1
  eq "$(stat -c %a "$W/y6.shares" "$W/y6.shares"/* | xargs)" "700 600 600 600" "modes of the shares"
  eq "$(key_count y6a root)" 0 "root keys after sharing"
  # one holder has nothing, nor have two of whom one brings an altered share
  exits 1 bl y6c -- key join "$W/y6.shares/$id-3.share"; has "1 of the 2 shares that give the key $id"
  sed 's/^number: 1/number: 2/' "$W/y6.shares/$id-1.share" >"$W/y6.altered"
  exits 1 bl y6c -- key join "$W/y6.shares/$id-3.share" "$W/y6.altered"; has "$W/y6.altered is no share that can be joined"; has "cut off or altered"
  [ ! -e "$(home y6c)/.docker/trust/private" ] || reason "shares that give nothing left something"
  # two have the key, on a machine that had nothing, and need not know under which passphrase it was
  ( umask 000; must bl y6c "$pass" -- key join "$W/y6.shares/$id-3.share" "$W/y6.shares/$id-1.share" ) || exit 1
  private_only y6c; eq "$(key_ids y6c)" "root $id" "the key, as notary lists it"
  must bl y6c -- trust verify $r:1; has "$r@$d"
  must bl y6c "$pass" -- key rotate -y $r root
  # everybody follows the new root; who has the repository's key, and no root key any more, signs on
  mkimg $r:2 "two"; must dct y6a -- push $r:2; has "Successfully signed $r:2"; d=$(digest_of_push)
  for x in fresh y6c; do must bl $x -- trust verify $r:2; has "$r@$d"; done
  must dct fresh -- pull $r:2; has "Digest: $d"
  must nt fresh list $r; for x in 1 2; do hasre "^$x "; done
}

run_keys() {
  scenario Y1 y1_m15 "M15: keys exported by notary, imported by bulla, and back"
  scenario Y2 y2_kinds "signers with ECDSA, Ed25519 and RSA keys, made by bulla, loaded by docker"
  scenario Y3 y3_roots "root keys on P-256 and P-384"
  scenario Y4 y4_sources "a passphrase from a file, a descriptor and a program"
  scenario Y5 y5_backup "keys backed up, and restored on an empty machine that signs and rotates"
  scenario Y6 y6_shares "a root key in shares: two of three holders rotate it on another machine"
}
