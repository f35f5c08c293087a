# Roles that several people sign, in three HOMEs, with docker and notary as readers
# and as publishers.  Sourced by e2e.sh after scenarios-signers.sh.

# public_half HOMENAME ROLE REPOSITORY: makes a key there and writes what others may
# know of it to $W/HOMENAME.pub; the id goes to KEY
public_half() {
  local h=$1 role=$2 r=$3
  mkdir -p "$(home "$h")"; new_home "$h" >/dev/null
  mustjson bl "$h" -- --output json key generate --role "$role" --gun "$r"
  KEY=$(jq -r .id <<<"$OUT")
  must bl "$h" -- key export --key "$KEY" --public-for "$r" -o "$W/$h.pub"
  grep -q PRIVATE "$W/$h.pub" && reason "a private key was handed out"
  return 0
}
versions() { local x; for x in root targets; do role_json "$1" $x | jq -r .signed.version; done | paste -sd,; }
signatures() { role_json "$1" "$2" | jq -r '.signatures|length'; }
threshold_of() { role_json "$1" root | jq -r ".signed.roles.$2|\"\(.threshold) of \(.keyids|length)\""; }

t1_targets() { # 2 of 3 for targets
  local r=$RP/together/targets d2 b c f=$W/t1.session
  new_home t1a >/dev/null
  mkimg $r:1 "one"; must dct t1a -- push $r:1; mkimg $r:2 "two"; must dk t1a -- push $r:2; d2=$(digest_of_push)
  public_half t1b targets $r; b=$KEY; public_half t1c targets $r; c=$KEY
  exits 1 bl t1a -- threshold set $r targets 4 --add-key "$W/t1b.pub" --add-key "$W/t1c.pub"
  has "targets would have 3 keys, and 4 of them cannot sign"
  exits 2 bl t1a -- threshold set $r targets 0
  exits 1 bl t1a -- threshold set $r targets 2 --add-key "$W/t1b.pub"
  has "all 2 keys of targets must sign: if one is lost, nobody can sign targets until the root's keys name others"
  has "targets of $r takes 2 signatures, and 1 can be made here: 1 more of these keys must sign: $b"; has "bulla session start $r FILE"; has "Add --session FILE"
  eq "$(versions $r)" 1,2 "versions"
  must bl t1a -- threshold set $r targets 2 --add-key "$W/t1b.pub" --add-key "$W/t1c.pub" --session "$f"
  has "root: version 1 -> version 2"; has "targets must be signed by 2 keys, not 1"; has "targets may be signed by the key $b"; hasnt "must sign: if one is lost"
  eq "$(versions $r)" 1,2 "versions"
  must bl t1a -- session sign "$f"; has "Not enough have signed"
  exits 1 bl t1a -- session publish "$f"; has "targets has 1 of 2 signatures, and 1 more of these must sign"; has "$b"; has "$c"
  must bl t1b -- session sign "$f"; has "Enough have signed"
  must bl t1c -- session publish "$f"; has "Successfully published root, targets of $r"
  eq "$(versions $r),$(threshold_of $r targets),$(signatures $r targets)" "2,3,2 of 3,2" "what is published"
  must dct fresh -- pull $r:1; must nt fresh list $r; hasre "^1 "; same_inspect fresh $r

  exits 0 bl t1a -- doctor $r
  has "note: targets takes 2 signatures of its 3 keys, and 1 is here: what is staged is signed in a session: bulla session start $r FILE"

  # once more: it is done
  exits 1 bl t1c -- session publish "$f"; has "the session of $r is published already"

  # a tag: with one signature nobody sees it
  exits 1 bl t1a -- trust sign $r:2; has "targets of $r takes 2 signatures, and 1 can be made here"; has "bulla session start $r FILE"
  rm "$f"
  must bl t1b -- session start $r "$f" --tag 2 --digest "$d2" --length 100
  has "added    2  $d2, 100 bytes"
  exits 1 bl t1b -- session start $r "$f" --tag 2 --digest "$d2" --length 100; has "$f exists and is not overwritten"
  cp "$f" "$f.copy"
  must bl t1b -- session sign "$f"; must bl t1b -- session sign "$f"; has "The keys here that may have signed already"
  exits 1 bl t1b -- session publish "$f"; has "targets has 1 of 2 signatures"; has "$c"
  exits 3 bl fresh -- trust verify $r:2; has "No valid trust data for 2"; mustfail dct fresh -- pull $r:2
  # the third signs a copy of her own, and the two are put together
  must bl t1c -- session sign "$f.copy"
  must bl t1a -- session show "$f" "$f.copy"; has "targets: 2 of 2 signatures"
  OUT=$(bl t1a -- --output json session show "$f" "$f.copy") || reason "session show in JSON"
  eq "$(jq -c '[.complete,.documents[0].changes[0].name,(.signatures[0].signed|length)]' <<<"$OUT")" '[true,"2",2]' "complete in JSON"
  # meanwhile another session is published: the first is refused, and stays as it is
  must bl t1a -- session start $r "$W/t1.other" --tag 3 --digest "$d2" --length 100
  must bl t1a -- session sign "$W/t1.other"; must bl t1b -- session sign "$W/t1.other"; must bl t1b -- session publish "$W/t1.other"
  local before; before=$(sha256sum <"$f")
  exits 1 bl t1a -- session publish "$f" "$f.copy"
  has "somebody published since the session of $r began: targets was made on version 3"; has "and version 4"; has "bulla session start $r FILE"
  exits 1 bl t1a -- session sign "$f"; has "somebody published since"
  eq "$(sha256sum <"$f")" "$before" "the file"
  rm "$f" "$f.copy"
  must bl t1b -- repo add-hash $r 2 100 --sha256 "${d2#sha256:}"
  must bl t1b -- session start $r "$f"; has "What is staged stays staged"
  must bl t1b -- session sign "$f"; must bl t1c -- session sign "$f"; must bl t1c -- session publish "$f"
  must dct fresh -- pull $r:2; has "$d2"; must nt fresh list $r; hasre "^2 .*100"; hasre "^3 "
  must bl fresh -- trust verify $r:2; same_inspect fresh $r
  # neither docker nor notary publishes with one key
  local now; now=$(versions $r)
  mkimg $r:4 "four"; mustfail dct t1a -- push $r:4; has "not enough signing keys: found 1 of 2 needed keys"
  must nt t1a add $r five "$W/t1b.pub"; mustfail nt t1a publish $r; has "not enough signing keys: found 1 of 2 needed keys"
  eq "$(versions $r)" "$now" "versions after docker's and notary's"
  must dct fresh -- pull $r:2
  # with two keys in one place everything goes by itself, docker's publish too, and numbers stay as they are
  cp "$(home t1b)"/.docker/trust/private/*.key "$(home t1a)/.docker/trust/private/"
  must bl t1a -- repo reset $r --all
  must bl t1a -- trust sign $r:4; eq "$(signatures $r targets)" 2 "signatures"
  mkimg $r:5 "five"; must dct t1a -- push $r:5; eq "$(signatures $r targets)" 2 "docker's signatures"; must bl fresh -- trust verify $r:5
  must bl t1a -- key rotate $r snapshot --server-managed
  exits 1 bl t1a -- key rotate $r targets; has "2 keys must sign targets: 3 would go, and 1 would be new"
  eq "$(threshold_of $r targets)" "2 of 3" "after a rotation"
  must bl t1a -- threshold set $r targets 2 --remove-key "$c"; has "targets of $r is signed by 2 of 2 keys now"
  exits 1 bl t1a -- threshold set $r targets 2 --remove-key "$b"; has "targets would have 1 keys, and 2 of them cannot sign"
  must dct fresh -- pull $r:4; same_inspect fresh $r
}

t2_root() { # 2 of 2 for root, and one of its keys exchanged
  local r=$RP/together/root a b c f=$W/t2.session
  new_home t2a >/dev/null; new_home t2old >/dev/null
  mkimg $r:1 "one"; must dct t2a -- push $r:1
  must dct t2old -- pull $r:1; must nt t2old list $r; must bl t2old -- repo list $r
  a=$(basename "$(grep -l '^role: root' "$(home t2a)"/.docker/trust/private/*.key)" .key)
  public_half t2b root $r; b=$KEY; public_half t2c root $r; c=$KEY; public_half t2x root $r
  exits 1 bl t2a -- threshold set $r root 2 --add-key "$W/t2b.pub"; has "1 more of these keys must sign: $b"
  must bl t2a -- threshold set $r root 2 --add-key "$W/t2b.pub" --session "$f"
  has "all 2 keys of root must sign: if one is lost, the root can never be signed again"
  must bl t2a -- session sign "$f"; has "root (the keys before): 1 of 1 signatures"
  exits 1 bl t2a -- session publish "$f"; has "root has 1 of 2 signatures, and 1 more of these must sign: $b"
  # whoever never saw the repository does not sign a root that others show
  exits 3 bl t2b -- session sign "$f"; has "was never seen here before"
  must bl t2b -- repo list $r
  must bl t2b -- session sign "$f"; has "Signed with $b"
  # a root key that is none of this repository's signs nothing
  must bl t2x -- repo list $r; exits 1 bl t2x -- session sign "$f"; has "no key here may sign this session"
  must bl t2x -- session publish "$f"; has "Successfully published root of $r"
  eq "$(threshold_of $r root),$(versions $r)" "2 of 2,2,2" "what is published"
  for x in fresh t2old; do must dct $x -- pull $r:1; must nt $x list $r; hasre "^1 "; must bl $x -- trust verify $r:1; done
  # one alone rotates nothing
  exits 1 bl t2a -- key rotate $r root -y; has "2 keys must sign root"
  exits 1 bl t2a -- key rotate $r targets; has "root of $r takes 2 signatures, and 1 can be made here: 1 more of these keys must sign: $b"
  # the first one goes: the keys before and those after sign
  rm "$f"; must bl t2b -- threshold set $r root 2 --add-key "$W/t2c.pub" --remove-key "$a" --session "$f"
  has "root may not be signed any more by the key $a"
  must bl t2c -- repo list $r
  must bl t2b -- session sign "$f"; must bl t2c -- session sign "$f"
  exits 1 bl t2c -- session publish "$f"; has "root (the keys before) has 1 of 2 signatures, and 1 more of these must sign: $a"
  must bl t2a -- session sign "$f"; has "Enough have signed"
  must bl t2a -- session publish "$f"
  eq "$(threshold_of $r root),$(versions $r)" "2 of 2,3,2" "what is published"
  for x in fresh t2old; do must dct $x -- pull $r:1; must nt $x list $r; hasre "^1 "; must bl $x -- trust verify $r:1; done
  # tags are signed as before, by docker, too
  mkimg $r:2 "two"; must dct t2a -- push $r:2; must dct t2old -- pull $r:2; same_inspect fresh $r
}

t3_delegation() { # 2 of 2 for the releases
  local r=$RP/together/releases d f=$W/t3.session x
  for x in bob carol dora; do pair t3$x t3$x; done
  new_home t3a >/dev/null
  mkimg $r:1 "one"; must dct t3a -- push $r:1; d=$(digest_of_push)
  for x in bob carol; do must bl t3a -- trust signer add --key "$W/pairs/t3$x.pub" t3$x $r; done
  must bl t3a -- threshold set $r targets/releases 2; has "all 2 keys of targets/releases must sign"; has "targets/releases of $r is signed by 2 of 2 keys now"
  must bl t3a -- trust signer add --key "$W/pairs/t3dora.pub" t3dora $r
  eq "$(role_json $r targets | jq -r '.signed.delegations.roles[]|select(.name=="targets/releases")|"\(.threshold) of \(.keyids|length)"')" "2 of 3" "threshold after signer add"
  exits 1 bl t3bob -- trust sign $r:1 --digest "$d" --length 10
  has "targets/releases of $r takes 2 signatures, and 1 can be made here"; has "bulla session start $r FILE"
  must bl t3bob -- session start $r "$f" --tag 2 --digest "$d" --length 10; has "targets/releases: new -> version 1"
  must bl t3bob -- session sign "$f"; has "targets/t3bob: 1 of 1 signatures"; has "targets/releases: 1 of 2 signatures"
  exits 1 bl t3bob -- session publish "$f"; has "targets/releases has 1 of 2 signatures"
  exits 3 bl fresh -- trust verify $r:2
  must bl t3carol -- session sign "$f"; must bl t3carol -- session publish "$f"
  eq "$(signatures $r targets/releases)" 2 "signatures"
  must bl fresh -- trust verify $r:2; has "$r@$d"; must nt fresh list $r -r targets/releases; hasre "^2 "
  must dk svc -- tag $r:1 $r:2; must dk svc -- push $r:2; must dct fresh -- pull $r:2; same_inspect fresh $r
  # docker does not publish with one key, and what is released stays
  mkimg $r:3 "three"; mustfail dct t3bob -- push $r:3; has "not enough signing keys: found 1 of 2 needed keys"
  must bl fresh -- trust verify $r:2; must dct fresh -- pull $r:2; exits 3 bl fresh -- trust verify $r:3
  # back to one
  must bl t3a -- threshold set $r targets/releases 1; must bl t3bob -- trust sign $r:3; must dct fresh -- pull $r:3
}

run_thresholds() {
  scenario T1 t1_targets "targets signed by 2 of 3 in three HOMEs, as docker and notary read them"
  scenario T2 t2_root "a root signed by 2 of 2, and one of its keys exchanged"
  scenario T3 t3_delegation "releases signed by 2 of several signers"
}
