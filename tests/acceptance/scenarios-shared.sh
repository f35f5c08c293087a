# The trust directory shared in both directions: rows M7, M8, M12, M13, M16 and
# M17 of "Checks for a client of our own" in README.md, each a scenario of that
# name.  Sourced by e2e.sh with scenarios-bulla.sh and scenarios-keys.sh.

# changes HOMENAME REPOSITORY: the files of what is staged
changes() { ls "$(home "$1")/.docker/trust/tuf/$2/changelist" 2>/dev/null; }
# same_status HOMENAME REPOSITORY: notary and ours show what is staged in the same bytes, kept in OUT
same_status() {
  local n b
  n=$(nt "$1" status "$2") || reason "notary cannot show what is staged for $2"
  b=$(bl "$1" -- repo status "$2") || reason "bulla cannot show what is staged for $2"
  # notary leaves an empty line before and after
  [ "$(sed '/^ *$/d; s/ *$//' <<<"$n")" = "$(sed '/^ *$/d; s/ *$//' <<<"$b")" ] || { diff <(echo "$n") <(echo "$b"); reason "status of $2 differs from notary's"; }
  OUT=$n
}
# root_key HOMENAME: the file of its only root key
root_key() { grep -l '^role: root' "$(home "$1")"/.docker/trust/private/*.key; }

m7_ours_staged() { # staged by us, shown and published by notary
  local g=$RP/shared/seven h=m7 sum
  new_home $h >/dev/null; printf 'seven\n' >"$W/m7"; sum=$(sha256sum "$W/m7" | cut -d' ' -f1)
  printf '{"z":1,"a":{"y":[1,2],"b":null}}\n' >"$W/m7.custom"
  gencert "$W/m7dev"
  must bl $h -- repo init -p $g; has "Successfully published changes for repository $g"
  must nt $h list $g; has "No targets present"
  must bl $h -- repo add $g v1 "$W/m7" --custom "$W/m7.custom"
  must bl $h -- repo add-hash $g v2 6 --sha256 "$sum"
  must bl $h -- delegation add $g targets/releases "$W/m7dev.cert.pem" --all-paths
  same_status $h $g
  hasre '^0 +create +targets +target +v1$'; hasre '^1 +create +targets +target +v2$'; hasre '^2 +create +targets/releases +delegation *$'
  must nt $h publish $g; has "Successfully published changes for repository $g"
  eq "$(changes $h $g)" "" "the changelist after notary's publish"
  must nt fresh list $g; hasre "^v1 +$sum +6 +targets"; hasre "^v2 +$sum +6 +targets"
  must nt fresh delegation list $g; hasre '^targets/releases +"" <all paths> +[0-9a-f]{64}'
  eq "$(role_json $g targets | jq -c '.signed.targets.v1.custom')" '{"a":{"b":null,"y":[1,2]},"z":1}' "custom data, in canonical form"
  # notary takes single ones away, and sends the rest
  must bl $h -- repo remove $g v2
  must bl $h -- repo add-hash $g v3 6 --sha256 "$sum"
  must bl $h -- delegation remove -y $g targets/releases
  same_status $h $g; hasre '^0 +delete +targets +target +v2$'
  must nt $h reset $g -n 1
  same_status $h $g; hasnt v3
  must nt $h publish $g
  must bl fresh -- repo list $g; hasre '^v1 '; hasnt v2; hasnt v3
  must bl fresh -- delegation list $g; hasnt targets/releases
}

m8_notarys_staged() { # staged by notary, shown and published by us
  local g=$RP/shared/eight h=m8 sum
  new_home $h >/dev/null; printf 'eight\n' >"$W/m8"; sum=$(sha256sum "$W/m8" | cut -d' ' -f1)
  gencert "$W/m8dev"
  must nt $h init -p $g
  must nt $h add $g v1 "$W/m8"; must nt $h addhash $g v2 6 --sha256 "$sum"
  must nt $h delegation add $g targets/releases "$W/m8dev.cert.pem" --all-paths
  same_status $h $g
  hasre '^0 +create +targets +target +v1$'; hasre '^1 +create +targets +target +v2$'
  must bl $h -- repo publish $g; has "Successfully published changes for repository $g"
  eq "$(changes $h $g)" "" "the changelist after our publish"
  must nt $h status $g; has "No unpublished changes for $g"
  must nt fresh list $g; hasre "^v1 +$sum +6 +targets"; hasre "^v2 +$sum +6 +targets"
  must nt fresh delegation list $g; hasre '^targets/releases +"" <all paths> +[0-9a-f]{64}'
  # both stage, we take one away, and send the rest of both
  must nt $h remove $g v1; must bl $h -- repo add-hash $g v3 6 --sha256 "$sum"; must nt $h addhash $g v4 6 --sha256 "$sum"
  same_status $h $g
  must bl $h -- repo reset $g -n 0
  same_status $h $g; hasnt v1; hasre '^0 +create +targets +target +v3$'; hasre '^1 +create +targets +target +v4$'
  must bl $h -- repo publish $g
  must nt fresh list $g; hasre '^v1 '; hasre '^v3 '; hasre '^v4 '
  # refused: it stays staged, and nothing is published
  must nt $h addhash $g v5 6 --sha256 "$sum"
  exits 1 bl $h NOTARY_TARGETS_PASSPHRASE=wrong DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=wrong -- repo publish $g; has "does not open"
  same_status $h $g; hasre '^0 +create +targets +target +v5$'
  must nt fresh list $g; hasnt v5
  must nt $h publish $g; must bl fresh -- repo list $g; hasre '^v5 '
}

m12_our_root() { # our rotation of root, their old caches
  local r=$RP/shared/twelve old d
  for h in m12 m12docker m12notary m12late; do new_home $h >/dev/null; done
  mkimg $r:1 "one"; must dct m12 -- push $r:1; d=$(digest_of_push)
  must dct m12docker -- pull $r:1; must nt m12notary list $r; must dct m12late -- pull $r:1
  old=$(root_key m12)
  # what is only planned changes nothing
  must bl m12 -- key rotate --dry-run $r root
  eq "$(role_json $r root | jq .signed.version),$(key_count m12 root)" 1,1 "version of root and root keys after a plan"
  must bl m12 -- key rotate --yes $r root; has "Successfully rotated root key for repository $r"
  eq "$(role_json $r root | jq -c '[.signed.version, (.signatures|length)]')" "[2,2]" "version and signatures of the new root"
  local was now
  was=$(role_json $r 1.root | jq -r '.signed.roles.root.keyids[0]') now=$(role_json $r root | jq -r '.signed.roles.root.keyids[0]')
  ne "$was" "$now" "id of the root's certificate"
  eq "$(role_json $r root | jq -c '[.signatures[].keyid]|sort')" "$(jq -nc --arg a "$was" --arg b "$now" '[$a,$b]|sort')" "who signed the new root"
  [ -f "$old" ] || reason "the old root key is gone"
  dk svc -- rmi -f $r:1 >/dev/null 2>&1
  must dct m12docker -- pull $r:1; has "Digest: $d"
  must nt m12notary list $r; hasre "^1 "
  for h in m12docker m12notary; do
    cmp <(role_json $r root) "$(home $h)/.docker/trust/tuf/$r/metadata/root.json" || reason "$h did not follow to the new root"
  done
  # once more, with notary's rotation in between: who missed three goes on, too
  ANSWER=y must nt m12 key rotate $r root
  must bl m12 -- key rotate --yes $r root
  eq "$(role_json $r root | jq .signed.version)" 4 "version of root"
  dk svc -- rmi -f $r:1 >/dev/null 2>&1
  must dct m12late -- pull $r:1; has "Digest: $d"
  must nt m12notary list $r; hasre "^1 "
  must bl m12docker -- trust verify $r:1; has "$r@$d"
  mkimg $r:2 "two"; must dct m12 -- push $r:2; has "Successfully signed $r:2"
}

m13_our_rotations() { # our rotations of the other roles, then docker signs
  local r=$RP/shared/thirteen before x d
  for h in m13 m13reader; do new_home $h >/dev/null; done
  must nt m13 init -p $r       # notary's way: the snapshot key is here
  mkimg $r:1 "one"; must dct m13 -- push $r:1
  must dct m13reader -- pull $r:1
  before=$(role_json $r root | jq -c .signed.roles)
  must bl m13 -- key rotate $r targets; has "Successfully rotated targets key for repository $r"
  must bl m13 -- key rotate -r $r snapshot timestamp
  has "Successfully rotated snapshot key for repository $r"; has "Successfully rotated timestamp key for repository $r"
  for x in targets snapshot timestamp; do
    ne "$(role_json $r root | jq -r ".signed.roles.$x.keyids[0]")" "$(jq -r ".$x.keyids[0]" <<<"$before")" "key of $x"
    eq "$(role_json $r $x | jq -r '[.signatures[].keyid]|join(",")')" "$(role_json $r root | jq -r ".signed.roles.$x.keyids[0]")" "who signed $x"
  done
  eq "$(role_json $r root | jq -r '.signed.roles.root.keyids[0]')" "$(jq -r .root.keyids[0] <<<"$before")" "key of root"
  mkimg $r:2 "two"; must dct m13 -- push $r:2; has "Successfully signed $r:2"; d=$(digest_of_push)
  must dct m13reader -- pull $r:2; has "Digest: $d"
  must nt m13 list $r; hasre '^1 '; hasre '^2 '
  # the other order: notary rotates, we sign
  must nt m13 key rotate $r targets; must nt m13 key rotate $r timestamp -r
  must bl m13 -- trust sign $r:3 --digest "$d" --length 10
  must nt m13reader list $r; hasre '^3 '
  # what only a server may hold, and what it may not
  exits 1 bl m13 -- key rotate -r $r targets; has "notary does not permit the server managing the targets key"
  exits 1 bl m13 -- key rotate $r timestamp; has "notary does not permit the client managing the timestamp key"
}

m16_left_over() { # what a failed publish of docker's left, and our publish
  local r=$RP/shared/sixteen h=m16
  new_home $h >/dev/null
  mkimg $r:1 "one"; must dct $h -- push $r:1
  mkimg $r:2 "two"
  mustfail dct $h DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=wrong -- push $r:2
  eq "$(changes $h $r | wc -l)" 1 "changes that docker left staged"
  same_status $h $r; hasre '^0 +create +targets +target +2$'
  # signing something else publishes no more than what it says
  must bl $h -- trust sign $r:3 --digest "sha256:$(printf %064d 3)" --length 10
  eq "$(trust_json fresh $r | jq -r '.[0].SignedTags|map(.SignedTag)|join(",")')" 1,3 "signed tags before the left-over is published"
  eq "$(changes $h $r | wc -l)" 1 "changes that are still staged"
  # shown before it is published: it is named, though the publish is refused
  exits 1 bl $h DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE=wrong -- repo publish $r
  has "Publishing: create target in targets 2"
  eq "$(changes $h $r | wc -l)" 1 "changes after a refusal"
  must bl $h -- repo publish $r
  has "Publishing: create target in targets 2"; has "Successfully published changes for repository $r"
  [[ "$OUT" = *"Publishing: create"*"Successfully published"* ]] || reason "the left-over is shown after it is published"
  eq "$(changes $h $r)" "" "the changelist"
  eq "$(trust_json fresh $r | jq -r '.[0].SignedTags|map(.SignedTag)|join(",")')" 1,2,3 "signed tags"
  must dct $h -- push $r:2; has "Successfully signed $r:2"
}

# whole_files HOMENAME: every document of the cache is whole
whole_files() {
  local f
  while read -r f; do jq -e .signed.version "$f" >/dev/null || reason "$f is torn"; done < <(find "$(home "$1")/.docker/trust/tuf" -name '*.json')
}
# tries COUNT CMD...: again until it succeeds, as people do after a conflict
tries() {
  local n=$1 i; shift
  for i in $(seq "$n"); do "$@" && return 0; sleep 0.$((RANDOM % 4)); done
  return 1
}

m17_at_once() { # docker, notary and ours at once in one HOME
  local r=$RP/shared/seventeen h=m17 i p=() d before cached
  new_home $h >/dev/null
  mkimg $r:0 "zero"; must dct $h -- push $r:0; d=$(digest_of_push)
  before=$(key_files $h)
  for i in 1 2 3; do mkimg $r:d$i "docker $i"; done
  # a reader of ours all the while: it answers, and the right thing
  ( while [ ! -e "$W/m17.done" ]; do
      [ "$(bl $h -- trust verify $r:0)" = "$r@$d" ] || exit 1
    done ) >"$W/log/m17-reader.log" 2>&1 & local reader=$!
  ( for i in 1 2 3; do tries 30 dct $h -- push $r:d$i || exit 1; done ) >"$W/log/m17-docker.log" 2>&1 & p+=($!)
  ( for i in $(seq 8); do bl $h -- trust sign $r:o$i --digest "sha256:$(printf %064d $i)" --length 10 || exit 1; done ) >"$W/log/m17-ours.log" 2>&1 & p+=($!)
  for i in "${p[@]}"; do wait $i || { tail -n 4 "$W"/log/m17-*.log; reason "a signer gave up"; }; done
  touch "$W/m17.done"
  wait $reader || { tail -n 4 "$W/log/m17-reader.log"; reason "a reader of ours was misled"; }
  eq "$(trust_json fresh $r | jq -r '.[0].SignedTags|map(.SignedTag)|join(",")')" 0,d1,d2,d3,o1,o2,o3,o4,o5,o6,o7,o8 "signed tags"
  eq "$(key_files $h)" "$before" "private keys"
  whole_files $h
  eq "$(trust_listing $h | grep -c '\.tmp$')" 0 "temporary files"
  # while ours is the only one that writes, there is never half a document
  rm "$W/m17.done"
  ( while [ ! -e "$W/m17.done" ]; do whole_files $h; done ) & p=($!)
  for i in 1 2 3; do must bl $h -- trust sign $r:w$i --digest "sha256:$(printf %064d $i)" --length 10; done
  touch "$W/m17.done"; wait ${p[0]} || reason "a document was torn while only bulla wrote"
  # what docker's store leaves in the middle of a write: nothing, or half of it
  for i in timestamp snapshot targets; do
    for cached in none half; do
      local f; f=$(home $h)/.docker/trust/tuf/$r/metadata/$i.json
      if [ $cached = none ]; then rm "$f"; else truncate -s 100 "$f"; fi
      must bl $h -- trust verify $r:0; has "$r@$d"
      cmp <(role_json $r $i) "$f" || reason "$i.json was not fetched again"
    done
  done
  # without the server such a cache is no ground to say yes, and stays
  f=$(home $h)/.docker/trust/tuf/$r/metadata/timestamp.json; truncate -s 100 "$f"
  before=$(trust_listing $h)
  cp -r "$(home $h)/.docker/tls/$TRUST_HP" "$(home $h)/.docker/tls/$TRUST_HOST:1"
  mustfail bl $h DOCKER_CONTENT_TRUST_SERVER=https://$TRUST_HOST:1 -- trust verify --allow-cached $r:0; hasnt "@sha256"
  eq "$(trust_listing $h)" "$before" "the trust directory after a refusal"
  # two that stage at once: each change is there, and each is published
  p=()
  ( for i in $(seq 6); do nt $h addhash $r n$i 10 --sha256 "$(printf %064d $i)" || exit 1; done ) >/dev/null 2>&1 & p+=($!)
  ( for i in $(seq 6); do bl $h -- repo add-hash $r b$i 10 --sha256 "$(printf %064d $i)" || exit 1; done ) >"$W/log/m17-ours.log" 2>&1 & p+=($!)
  for i in "${p[@]}"; do wait $i || { tail -n 2 "$W/log/m17-ours.log"; reason "a change could not be staged"; }; done
  same_status $h $r
  eq "$(grep -cE '^[0-9]+ +create +targets +target +[nb][1-6]$' <<<"$OUT")" 12 "staged changes"
  must bl $h -- repo publish $r
  must nt fresh list $r
  for i in 1 2 3 4 5 6; do hasre "^n$i "; hasre "^b$i "; done
}

run_shared() {
  scenario M7 m7_ours_staged "staged by bulla, shown and published by notary"
  scenario M8 m8_notarys_staged "staged by notary, shown and published by bulla"
  scenario M12 m12_our_root "bulla rotates root, docker and notary follow with old caches"
  scenario M13 m13_our_rotations "bulla rotates targets, snapshot and timestamp, docker signs"
  scenario M16 m16_left_over "what docker's failed publish left is shown before bulla publishes it"
  scenario M17 m17_at_once "docker, notary and bulla at once in one trust directory"
}
