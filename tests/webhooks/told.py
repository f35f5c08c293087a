#!/usr/bin/env python3
"""What a receiver was told, held against the change feed: each event once, in order, with valid signatures.

  told.py NOTES FEED PATH KEY_CHANGES [REPEATED ...]

NOTES are what receiver.py wrote, FEED an answer of the change feed from its beginning, PATH that of the webhook. KEY_CHANGES
is a file of lines "GUN COUNT". REPEATED are the ids that may have been taken twice. Prints figures; status 1 names what is
wrong, status 2 what is not there yet.
"""
import collections
import json
import sys

notes_file, feed_file, path, key_changes_file = sys.argv[1:5]
repeated = set(sys.argv[5:])
with open(notes_file, encoding="utf-8") as lines:
    notes = [json.loads(line) for line in lines]
with open(feed_file, encoding="utf-8") as file:
    feed = json.load(file)["records"]
with open(key_changes_file, encoding="utf-8") as lines:
    key_changes = {gun: int(count) for gun, count in (line.split() for line in lines)}

mine = [note for note in notes if note["path"] == path]
wrong = [note for note in mine if not note["valid"]]
if wrong:
    sys.exit(f"{len(wrong)} requests without a valid signature, the first: {wrong[0]}")
taken = [note for note in mine if note["taken"]]
times = collections.Counter(note["id"] for note in taken)
twice = {id for id, count in times.items() if count > 1}
if twice - repeated:
    sys.exit(f"taken twice: {sorted(twice - repeated)}")
seen = set()
first = [note["event"] for note in taken if not (note["id"] in seen or seen.add(note["id"]))]

kinds = {"update": "publish", "deletion": "delete"}
wanted = [(int(record["ID"]), kinds[record["Category"]], record["GUN"]) for record in feed]
told = [(event["change_id"], event["type"], event["gun"]) for event in first if event["type"] in kinds.values()]
if told != wanted[:len(told)]:
    place = next(place for place, pair in enumerate(zip(told, wanted)) if pair[0] != pair[1])
    sys.exit(f"event {place} is {told[place]}, and the feed has {wanted[place]}")
for record, event in zip(feed, [event for event in first if event["type"] == "publish" or event["type"] == "delete"]):
    if event["type"] == "publish" and (event["version"], event["sha256"]) != (record["Version"], record["SHA256"]):
        sys.exit(f"another timestamp than that of the feed: {event}")
changed = collections.Counter(event["gun"] for event in first if event["type"] == "key_change")
if any(changed[gun] > key_changes.get(gun, 0) for gun in changed):
    sys.exit(f"changes of keys: {dict(changed)}, expected {key_changes}")
for event in first:
    if event["type"] == "key_change" and [r["role"] for r in event["roles"]] != ["targets"]:
        sys.exit(f"not the change that there was: {event}")
missing = len(wanted) - len(told)
if missing or dict(changed) != key_changes:
    print(f"{missing} of {len(wanted)} records not told of, changes of keys {dict(changed)} of {key_changes}", file=sys.stderr)
    sys.exit(2)
failed = collections.Counter(note["mode"] for note in mine if not note["taken"])
waited = max((note["at"] for note in taken), default=0) - min((note["at"] for note in mine), default=0)
print(f"{len(first)} events of {len({e['gun'] for e in first})} repositories, each once and in order "
      f"({len(wanted)} records, {sum(changed.values())} changes of keys), {len(twice)} taken twice, all signatures valid; "
      f"attempts in vain {dict(failed)}; over {waited:.0f} s")
