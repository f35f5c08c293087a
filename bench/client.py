#!/usr/bin/env python3
"""Stages many targets as notary does, and measures commands as whole processes.

    bench/client.py stage CHANGELIST TAGS
    bench/client.py measure --work DIR --repository GUN ...     called by client.sh
    bench/client.py run --home HOME --says TEXT --variables A=B ... -- COMMAND...
    bench/client.py rows --name NAME FIGURES

Time is from the start of the process to its end, memory is the most that it
ever held (both by wait4).  Every command must succeed and say what is
expected of it; a run in which one does not ends with an error.
"""

import argparse
import base64
import hashlib
import json
import os
import pathlib
import shutil
import statistics
import sys
import time
import uuid


def digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def stage(changelist: pathlib.Path, tags: int) -> None:
    changelist.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in range(tags):
        name = f"v{number}"
        target = {"length": 1000 + number, "hashes": {"sha256": base64.b64encode(digest(name)).decode()}}
        data = base64.b64encode(json.dumps(target, separators=(",", ":")).encode()).decode()
        change = {"action": "create", "role": "targets", "type": "target", "path": name, "data": data}
        file = changelist / f"{number:020d}_{uuid.uuid4()}.change"
        file.write_text(json.dumps(change, separators=(",", ":")))


def run(command: list[str], home: pathlib.Path, says: str, variables: dict[str, str] | None = None) -> tuple[float, float, float]:
    """Seconds, processor seconds and MiB of one process."""
    output = home / "output"
    with open(output, "wb") as out:
        started = time.monotonic()
        process = os.posix_spawnp(
            command[0],
            command,
            {**(os.environ if variables is None else variables), "HOME": str(home)},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, out.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, out.fileno(), 2),
            ],
        )
        _, status, usage = os.wait4(process, 0)
        seconds = time.monotonic() - started
    text = output.read_text(errors="replace")
    if status != 0 or says not in text:
        sys.exit(f"{' '.join(command)} ended with {status}:\n{text[-500:]}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(options: argparse.Namespace) -> None:
    homes = {client: options.work / f"{client}-home" for client in ("docker", "notary", "bulla")}
    gun, last = options.repository, f"v{options.tags - 1}"
    last_digest = digest(last).hex()
    notary = ["notary", "-s", options.server, "--tlscacert", options.ca, "-d", str(homes["notary"] / ".docker/trust")]

    def forget(home: pathlib.Path) -> None:
        shutil.rmtree(home / ".docker/trust/tuf", ignore_errors=True)

    def sign(number: int) -> tuple[str, str]:
        name = f"new-{number}"
        return name, digest(name).hex()

    def signing(client: str, number: int) -> list[str]:
        name, hexadecimal = sign(number)
        if client == "notary":
            return [*notary, "addhash", "-p", gun, name, "1000", "--sha256", hexadecimal]
        return [options.bulla, "trust", "sign", f"{gun}:{name}", "--digest", f"sha256:{hexadecimal}", "--length", "1000"]

    # measure, whether the cache is emptied before, client, command, what it says
    table = [
        ("inspect", False, "docker", lambda _: [options.docker, "trust", "inspect", gun], last_digest),
        ("inspect", False, "bulla", lambda _: [options.bulla, "trust", "inspect", gun], last_digest),
        ("inspect, empty cache", True, "docker", lambda _: [options.docker, "trust", "inspect", gun], last_digest),
        ("inspect, empty cache", True, "bulla", lambda _: [options.bulla, "trust", "inspect", gun], last_digest),
        ("verify one tag", False, "docker", lambda _: [options.docker, "trust", "inspect", f"{gun}:{last}"], last_digest),
        ("verify one tag", False, "notary", lambda _: [*notary, "lookup", gun, last], last_digest),
        ("verify one tag", False, "bulla", lambda _: [options.bulla, "trust", "verify", f"{gun}:{last}"], last_digest),
        ("verify one tag, empty cache", True, "docker", lambda _: [options.docker, "trust", "inspect", f"{gun}:{last}"], last_digest),
        ("verify one tag, empty cache", True, "notary", lambda _: [*notary, "lookup", gun, last], last_digest),
        ("verify one tag, empty cache", True, "bulla", lambda _: [options.bulla, "trust", "verify", f"{gun}:{last}"], last_digest),
        ("sign a digest", False, "notary", lambda n: signing("notary", 2 * n), "Successfully published"),
        ("sign a digest", False, "bulla", lambda n: signing("bulla", 2 * n + 1), "Successfully signed"),
    ]
    names = list(dict.fromkeys(row[0] for row in table))
    figures: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for name in names:
        rows = [row for row in table if row[0] == name]
        for number in range(-1, options.rounds):
            for _, cold, client, command, says in rows:
                if cold:
                    forget(homes[client])
                # the first of each warms up, and is not counted
                figure = run(command(number + 1), homes[client], says)
                if number >= 0:
                    figures.setdefault((name, client), []).append(figure)

    print(f"| {options.tags} tags | client | seconds: min | median | max | processor seconds | memory (MiB) | ratio of medians |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for name in names:
        print_rows(name, {client: runs for (of, client), runs in figures.items() if of == name})


def print_rows(name: str, figures: dict[str, list[tuple[float, float, float]]]) -> None:
    """The rows of one measure; each ratio is that of the client's median to ours."""
    ours = statistics.median(run[0] for run in figures["bulla"])
    for client in ("docker", "notary", "bulla"):
        runs = figures.get(client)
        if not runs:
            continue
        seconds = [run[0] for run in runs]
        median = statistics.median(seconds)
        ratio = "–" if client == "bulla" else f"**{median / ours:.1f}**"
        processor, memory = statistics.median(run[1] for run in runs), max(run[2] for run in runs)
        print(
            f"| {name} | {client} | {min(seconds):.3f} | {median:.3f} | {max(seconds):.3f} "
            f"| {processor:.3f} | {memory:.0f} | {ratio} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    staging = verbs.add_parser("stage")
    staging.add_argument("changelist", type=pathlib.Path)
    staging.add_argument("tags", type=int)
    measuring = verbs.add_parser("measure")
    measuring.add_argument("--work", type=pathlib.Path, required=True)
    for name in ("repository", "server", "ca", "bulla", "docker"):
        measuring.add_argument(f"--{name}", required=True)
    for name in ("tags", "rounds"):
        measuring.add_argument(f"--{name}", type=int, required=True)
    running = verbs.add_parser("run")
    running.add_argument("--home", type=pathlib.Path, required=True)
    running.add_argument("--says", required=True)
    running.add_argument("--variables", nargs="*", default=[])
    running.add_argument("command", nargs="+")
    rows = verbs.add_parser("rows")
    rows.add_argument("--name", required=True)
    rows.add_argument("figures", type=pathlib.Path)
    options = parser.parse_args()
    match options.verb:
        case "stage":
            stage(options.changelist, options.tags)
        case "run":
            variables = dict(variable.split("=", 1) for variable in options.variables)
            print(*run(options.command, options.home, options.says, variables))
        case "rows":
            figures: dict[str, list[tuple[float, float, float]]] = {}
            for line in options.figures.read_text().splitlines():
                client, seconds, processor, memory = line.split()
                figures.setdefault(client, []).append((float(seconds), float(processor), float(memory)))
            print_rows(options.name, figures)
        case _:
            measure(options)


if __name__ == "__main__":
    main()
