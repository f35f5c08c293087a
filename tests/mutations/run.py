#!/usr/bin/env python3
"""Shows that the tests named in docs/security-tests.md can fail.

    tests/mutations/run.py [NAME...]     all mutations, those of a program (client, server, signer), or those
                                         whose name holds one of the texts
    tests/mutations/run.py --check       only whether each fits the source as it is in this tree, committed or not

Each mutation in *.toml takes one check out of the source.  Some of signer.toml
need a token: tests/with-engines.sh tests/mutations/run.py.  In a copy of the
last commit (its own worktree and target directory, so nothing here changes)
its tests are first seen to pass, then, with the check taken out, to fail.  A
mutation that does not fit the source, does not build, or survives is an error.

    MUTATIONS_DIR    where the copy is made and kept for the next run
                     (default: /tmp/bulla-mutations)
"""

import io
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PLACE = pathlib.Path(os.environ.get("MUTATIONS_DIR", "/tmp/bulla-mutations"))
COPY = PLACE / "source"
BUILD = ["--no-run"]
CRATES = ["tuf-schema", "server", "signer", "client"]
DECLARED = re.compile(r"\bfn ([a-z0-9_]+)\(")


def main() -> int:
    wanted = sys.argv[1:]
    files = sorted(HERE.glob("*.toml"))
    if wanted == ["--check"]:
        return check(files)
    # a program's name is meant for its files, though it stands in names of others' mutations too
    programs = {program_of(path) for path in files}
    mutations = [
        mutation
        for path in files
        for mutation in tomllib.loads(path.read_text())["mutation"]
        if not wanted or any(text == program_of(path) or (text not in programs and text in mutation["name"]) for text in wanted)
    ]
    if not mutations:
        print("no mutation has such a name", file=sys.stderr)
        return 1
    began = time.monotonic()
    copy_last_commit()
    # first all without, then each with: so that nothing is built twice
    faults = [sound(mutation) for mutation in mutations]
    print(f"1..{len(mutations)}")
    for number, mutation in enumerate(mutations):
        started = time.monotonic()
        fault = faults[number] = faults[number] or noticed(mutation)
        seconds = time.monotonic() - started
        outcome = "not ok" if fault else "ok"
        print(f"{outcome} {number + 1} - {mutation['row']}: {mutation['name']} # {seconds:.0f} s", flush=True)
        for line in (fault or "").splitlines():
            print(f"#   {line}", flush=True)
    unnoticed = sum(map(bool, faults))
    print(f"# {len(mutations) - unnoticed} of {len(mutations)} are noticed, in {time.monotonic() - began:.0f} s")
    return 1 if unnoticed else 0


def check(files: list[pathlib.Path]) -> int:
    """Prints, of each mutation that teaches nothing, why; builds nothing, so that it can be asked at every change."""
    sources = [path.read_text() for crate in CRATES for path in (REPOSITORY / crate).rglob("*.rs")]
    declared = {name for source in sources for name in DECLARED.findall(source)}
    faults = []
    for path in files:
        for mutation in tomllib.loads(path.read_text())["mutation"]:
            found = [unfit(mutation, REPOSITORY)]
            found += [f"there is no test {test}" for test in mutation["tests"] if test.split("::")[-1] not in declared]
            faults += [f"{path.name}: {mutation['name']}: {fault}" for fault in found if fault]
    print("\n".join(faults), end="\n" if faults else "")
    return 1 if faults else 0


def program_of(path: pathlib.Path) -> str:
    """`client` of client.toml and of client-owner.toml."""
    return path.stem.partition("-")[0]


def copy_last_commit() -> None:
    """An archive and no worktree: the repository itself must not learn of it.

    Files that did not change keep their time, so that cargo builds only what did.
    """
    archive = subprocess.run(["git", "-C", REPOSITORY, "archive", "HEAD"], check=True, capture_output=True).stdout
    COPY.mkdir(parents=True, exist_ok=True)
    kept = set()
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        for member in filter(tarfile.TarInfo.isfile, files):
            path = COPY / member.name
            content = files.extractfile(member).read()
            kept.add(path)
            if not path.is_file() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    for path in COPY.rglob("*"):
        if path.is_file() and path not in kept:
            path.unlink()


def sound(mutation: dict) -> str | None:
    """Why nothing can be learned from the mutation: its text is not there once, or a test of its fails without it."""
    if fault := unfit(mutation, COPY):
        return fault
    built, output = cargo(mutation, BUILD)
    if not built:
        return f"does not build without the mutation\n{end_of(output)}"
    for test in mutation["tests"]:
        passed, output = cargo(mutation, ["--", test])
        if not passed:
            return f"{test} fails without the mutation\n{end_of(output)}"
        if not re.search(r" [1-9][0-9]* passed", output):
            return f"there is no test {test}"
    return None


def unfit(mutation: dict, root: pathlib.Path) -> str | None:
    """Which file does not hold the text to take out, once."""
    for edit in edits(mutation):
        path = root / edit["file"]
        times = path.read_text().count(edit["take"]) if path.is_file() else 0
        if times != 1:
            return f"{edit['file']} holds the text to take out {times} times"
    return None


def noticed(mutation: dict) -> str | None:
    """Which test does not notice the mutation; None when all do."""
    originals = {COPY / edit["file"]: (COPY / edit["file"]).read_text() for edit in edits(mutation)}
    try:
        for edit in edits(mutation):
            path = COPY / edit["file"]
            path.write_text(path.read_text().replace(edit["take"], edit["put"]))
        built, output = cargo(mutation, BUILD)
        if not built:
            return f"does not build\n{end_of(output)}"
        for test in mutation["tests"]:
            passed, _ = cargo(mutation, ["--", test])
            if passed:
                return f"{test} does not notice it"
    finally:
        for path, original in originals.items():
            path.write_text(original)
    return None


def edits(mutation: dict) -> list[dict]:
    """What is changed: one place, and `also` others where the same check is made twice."""
    return [mutation, *mutation.get("also", [])]


def cargo(mutation: dict, arguments: list[str]) -> tuple[bool, str]:
    environment = dict(os.environ, CARGO_TARGET_DIR=str(PLACE / "target"), CARGO_TERM_COLOR="never")
    # a test that never ends is one that failed
    seconds = "1800" if arguments == BUILD else "60"
    command = ["timeout", "--kill-after=5", seconds, "cargo", "test", "--quiet", "--locked", "-p", mutation["package"]]
    command += mutation.get("target", ["--lib"]) + arguments
    done = subprocess.run(command, cwd=COPY, env=environment, capture_output=True, text=True)
    return done.returncode == 0, done.stderr + done.stdout


def end_of(output: str) -> str:
    return "\n".join(output.splitlines()[-12:])


if __name__ == "__main__":
    sys.exit(main())
