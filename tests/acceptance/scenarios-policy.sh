# What a policy lets through: three signers with docker's own key pairs, and
# policies of every kind.  Sourced by e2e.sh after scenarios-signers.sh.

# policy HOMENAME: standard input becomes the policy of that HOME
policy() { mkdir -p "$(home "$1")/.docker/trust"; (umask 022; cat >"$(home "$1")/.docker/trust/policy.toml"); }
# decided NAME IMAGE: the decision of a kind of image, as a program reads it
decided() { jq -r --arg i "$1" '.images[]|select(.image==$i)|.decision' <<<"$OUT"; }

v1_signers() { # 2 of 3, one of them not there, one tag with one and one with two
  local r=$RP/policy/app one two x
  for x in ann ben cid; do pair "v1$x" "$x"; done
  new_home v1owner >/dev/null; new_home v1 >/dev/null
  for x in ann ben cid; do must bl v1owner -- trust signer add --key "$W/pairs/$x.pub" $x $r; done
  mkimg $r:1 "one"; must dct v1ann -- push $r:1; one=$(digest_of_push)
  mkimg $r:2 "two"; must dct v1ann -- push $r:2; two=$(digest_of_push)
  must bl v1ben -- trust sign $r:2
  eq "$(signed_by $r)" "1=ann 2=ann+ben" "signed tags"
  must bl v1 -- verify $r:1 $r:2; has "$r:1: passed ($one)"
  # the rule, and the same with another repository's pattern
  policy v1 <<<"[[rule]]
images = [\"$RP/policy/*\"]
signers = { at_least = 2, of = [\"ann\", \"ben\", \"cid\"] }"
  must bl v1 -- policy test; has "mode enforce, rules 1, exceptions 0"
  must bl v1 -- verify $r:2
  has "$r:2: passed ($two)"
  has "ok   line 2: $RP/policy/* is for $r; this rule holds"
  has "ok   line 3: signed by at least 2 of ann, ben, cid; found ann, ben"
  must bl v1 -- trust verify $r:2; has "$r@$two"
  must bl v1 -- verify "$r@$two"; has "under 2"
  exits 3 bl v1 -- verify $r:1
  has "$r:1: refused"; has "no   line 3: signed by at least 2 of ann, ben, cid; found ann"
  exits 3 bl v1 -- trust verify $r:1; has "refuses $r:1: line 3: signed by at least 2 of ann, ben, cid; found ann"; hasnt "$one"
  exits 3 bl v1 -- verify "$r@$one"; has "refused"
  # and so do those that act on it, before docker is asked
  exits 3 bl v1 -- trust pull $r:1; has "refuses $r:1: line 3"
  exits 125 bl v1 -- trust run --rm "$r@$one"; has "refuses $r@$one: line 3"
  exits 3 bl v1 -- trust create $r:1; has "refuses $r:1: line 3"
  OUT=$(bl v1 -- --output json policy test $r:1 $r:2 2>"$W/v1.err") && reason "a refusal among two images is no success"
  printf '%s\n' "$OUT"
  eq "$(decided $r:1),$(decided $r:2)" refused,passed "decisions"
  eq "$(jq -r '.images[0].checks[-1]|[.line,.passed]|join(" ")' <<<"$OUT")" "3 false" "the failed check"
  # a second signature, and the same run passes; a tag that moves has to be signed by two again
  must bl v1cid -- trust sign $r:1
  must bl v1 -- trust verify $r:1; has "$r@$one"
  mkimg $r:1 "one, anew"; must dct v1cid -- push $r:1
  exits 3 bl v1 -- trust verify $r:1; has "found cid"
  # two names with one key are one signer
  must bl v1owner -- trust signer add --key "$W/pairs/ann.pub" twin $r
  must bl v1ann -- trust sign $r:3 --digest "$one" --length 10
  policy v1 <<<"[[rule]]
images = [\"$r\"]
signers = { all = [\"ann\", \"twin\"] }"
  exits 3 bl v1 -- verify $r:3; has "found ann, twin, together with 1 key"
}

v2_exceptions() { # what no rule is for, exceptions and their end, audit
  local r=$RP/policy/exceptions one
  new_home v2 >/dev/null; new_home v2owner >/dev/null
  mkimg $r:1 "one"; must dct v2owner -- push $r:1; one=$(digest_of_push)
  # anchored: neither a longer name nor one that ends so
  policy v2 <<<"[[rule]]
images = [\"$RP/policy/exception\", \"$RP/policy/ex/*\", \"evil.test/policy/*\"]
signers = { anyone = true }"
  exits 3 bl v2 -- trust verify $r:1; has "what no rule is for is refused; no rule is for $r"
  excepted() { # UNTIL
    policy v2 <<<"[[exception]]
image = \"$r:1\"
until = $1
reason = \"ticket 7\""
  }
  excepted 2199-01-01T00:00:00Z
  must bl v2 -- trust verify $r:1; has "$r@$one"; has "passes by an exception"; has "(ticket 7)"
  must bl v2 -- verify $r:1; has "$r:1: excepted ($one)"
  excepted 2020-01-01T00:00:00Z
  exits 3 bl v2 -- trust verify $r:1; has "it ended at 2020-01-01T00:00:00Z (ticket 7)"
  must bl v2 -- policy test; has "line 2: exception for $r:1; it ended at 2020-01-01T00:00:00Z"
  # an exception is not trust data; a digest that it names unsigned is let through without
  exits 3 bl v2 -- trust verify $r-none:1; has "does not have trust data"
  policy v2 <<<"[[exception]]
image = \"$r-none@$one\"
until = 2199-01-01T00:00:00Z
reason = \"not yet signed\"
unsigned = true"
  must bl v2 -- verify "$r-none@$one"; has "excepted"; has "trust data is not asked for"
  exits 3 bl v2 -- verify $r-none:1; has "does not have trust data"
  # watched: what the policy refuses passes with its reason, what is not signed does not
  policy v2 <<<"mode = \"audit\"
[[rule]]
images = [\"$r\"]
signers = { all = [\"nobody\"] }"
  must bl v2 -- trust verify $r:1; has "$r@$one"
  has "is only watched and would refuse $r:1: line 4: signed by nobody; none of them did; no such signer there: nobody"
  must bl v2 -- verify $r:1; has "$r:1: audited"
  exits 3 bl v2 -- trust verify $r:absent; has "No valid trust data for absent"
  # a pin of the policy that another root does not meet is no matter of watching
  policy v2 <<<"mode = \"audit\"
default = \"signed\"
[pins.certs]
\"$r\" = [\"$(printf %064d 0)\"]"
  exits 3 bl v2 -- trust verify $r:1; has "policy.toml"
}

v3_broken() { # what cannot be read, is not understood or is open to others refuses everything
  local r=$RP/policy/broken f host=${RP%%/*}
  new_home v3 >/dev/null; new_home v3owner >/dev/null; f=$(home v3)/.docker/trust/policy.toml
  mkimg $r:1 "one"; must dct v3owner -- push $r:1
  must bl v3 -- trust verify $r:1
  refuses() { # TEXT: every verb that decides
    exits 1 bl v3 -- trust verify $r:1; has "$1"; hasnt "sha256:"
    exits 1 bl v3 -- verify $r:1; has "$1"; hasnt "sha256:"
    exits 1 bl v3 -- policy test; has "$1"
  }
  policy v3 <<<'default = "signed"
modus = "audit"'
  refuses "policy.toml, line 2: unknown field \`modus\`"
  policy v3 <<<"[[rule]]
images = [\"$RP/policy/*\"]
signers = { anyone = true }
[[rule]]
images = [\"$r\"]
signers = { anyone = true }"
  refuses "policy.toml, line 5: rule.images: \"$r\" overlaps \"$RP/policy/*\" of line 2"
  policy v3 <<<'[[rule]]
images = ["*"]
signers = { anyone = true }'
  refuses 'line 2: rule.images: "*" has a star'
  policy v3 <<<'default = "signed"'; must bl v3 -- trust verify $r:1
  chmod 666 "$f"; refuses "policy.toml is open to others (mode 0666); it should be 0644"
  chmod 644 "$f"; chown 65534 "$f"; refuses "policy.toml belongs to user 65534"
  chown 0 "$f"; chmod 777 "$(dirname "$f")"; refuses "chmod go-w $(dirname "$f")"
  chmod 700 "$(dirname "$f")"; must bl v3 -- trust verify $r:1
  rm "$f"; ln -s nowhere "$f"; refuses "cannot read the policy"
  # a rule for another spelling of the registry is not passed by
  rm "$f"; policy v3 <<<"default = \"signed\"
[[rule]]
images = [\"${host^^}${r#"$host"}\"]
signers = { anyone = true }"
  exits 3 bl v3 -- verify $r:1; has "$r spells that host otherwise"; hasnt "sha256:"
  rm "$f"; must bl v3 -- trust verify $r:1
  exits 1 bl v3 -- policy test; has "there is no policy at"
  exits 1 bl v3 -- --policy "$W/absent.toml" trust verify $r:1; has "cannot read the policy $W/absent.toml"
}

v4_freshness() { # cached trust data is as fresh as when it was fetched, whatever is allowed besides
  local r=$RP/policy/fresh away=DOCKER_CONTENT_TRUST_SERVER=https://$TRUST_HOST:1
  new_home v4 >/dev/null; new_home v4owner >/dev/null
  mkimg $r:1 "one"; must dct v4owner -- push $r:1
  cp -r "$(home v4)/.docker/tls/$TRUST_HP" "$(home v4)/.docker/tls/$TRUST_HOST:1"
  policy v4 <<<'default = "signed"
[freshness]
fetched_within = "2h"'
  must bl v4 -- trust verify $r:1
  must bl v4 $away -- trust verify --allow-cached $r:1
  touch -d '3 hours ago' "$(home v4)/.docker/trust/tuf/$r/metadata/timestamp.json"
  exits 3 bl v4 $away -- trust verify --allow-cached $r:1; has "line 3: trust data fetched from the trust server within 2 hours; it was at"
  must bl v4 -- trust verify $r:1
  policy v4 <<<'default = "signed"
[freshness]
valid_for = "3650d"'
  exits 3 bl v4 -- verify $r:1; has "no   line 3: a timestamp that is good for another 3650 days; it is until 20"
}

run_policy() {
  scenario V1 v1_signers "a policy of signers: two of three, by name, one key counting once"
  scenario V2 v2_exceptions "a policy's default, exceptions and their end, audit, pins"
  scenario V3 v3_broken "a policy that is not understood, or open to others, refuses everything"
  scenario V4 v4_freshness "how new trust data must be by a policy"
}
