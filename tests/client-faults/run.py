#!/usr/bin/env python3
"""Every fault that a user of `bulla` may meet, one at a time, with the exit code and the words that he gets.

    tests/client-faults/run.py [NAME...]    the rows whose name holds one of the texts; TAP

Real processes: a server of ours in memory, before it a relay with TLS that
falsifies answers (relay.py), and `bulla` in a HOME of its own for each row.
After a refusal the trust directory must be as it was, byte for byte.

    BULLA_BIN_DIR    where the binaries are (default: the debug build)
    SHOW=1           prints what each row printed
    SLOW=1           also the rows that wait for a time limit of a minute
"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from relay import DIGEST, MANIFEST, Relay  # noqa: E402
from rows import DISK, ROWS, Row, faketime  # noqa: E402

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("BULLA_BIN_DIR", REPOSITORY / "target/debug"))
PASSPHRASE = "a-passphrase-of-the-faults"
NOBODY = 65534


class Place:
    """The server, the relay, and the HOMEs that rows begin with."""

    def __init__(self, work: pathlib.Path):
        self.work = work
        certificates(work)
        (work / "manifest").write_bytes(MANIFEST)
        # where nobody may run it, too
        self.bulla = str(shutil.copy(BIN / "bulla", work / "bulla"))
        self.backend = free_port()
        config = {
            "server": {"http_addr": f"127.0.0.1:{self.backend}"},
            "trust_service": {"type": "local"},
            "storage": {"backend": "memory"},
            "logging": {"level": "error"},
        }
        (work / "server.json").write_text(json.dumps(config))
        log = open(work / "server.log", "wb")
        self.server = subprocess.Popen([BIN / "bulla-server", "-config", work / "server.json"], stdout=log, stderr=log)
        wait_for(self.backend, self.server)
        self.relay = Relay(self.backend, str(work / "server.pem"), str(work / "server.key"))
        self.host = f"localhost:{self.relay.port}"
        self.image = f"{self.host}/app"
        self.home("empty")
        owner = self.home("owner")
        self.must(owner, "trust", "sign", f"{self.image}:1")
        self.must(owner, "trust", "verify", f"{self.image}:1")
        reader = self.home("reader")
        self.must(reader, "trust", "verify", f"{self.image}:1")
        # the reader's cache is one version behind
        self.must(owner, "trust", "sign", f"{self.image}:2")
        self.must(owner, "trust", "verify", f"{self.image}:2")

    def home(self, name: str) -> pathlib.Path:
        home = self.work / "homes" / name
        tls = home / ".docker/tls" / self.host
        tls.mkdir(parents=True)
        shutil.copy(self.work / "ca.pem", tls / "ca.crt")
        return home

    def environment(self, home: pathlib.Path) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE": PASSPHRASE,
            "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE": PASSPHRASE,
        }

    def must(self, home: pathlib.Path, *arguments: str) -> None:
        done = subprocess.run([self.bulla, *arguments], env=self.environment(home), capture_output=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            sys.exit(f"bulla {' '.join(arguments)} ended with {done.returncode}: {done.stderr.decode()}")

    def play(self, row: Row, number: int) -> str | None:
        """What is wrong, if anything is."""
        self.tag = f"t{number}"
        home = self.work / "homes" / f"row-{number}"
        shutil.copytree(self.work / "homes" / row.home, home)
        environment = {**self.environment(home), **{name: fill(value, self, home) for name, value in row.variables.items()}}
        environment = {name: value for name, value in environment.items() if value}
        if row.prepare:
            row.prepare(home, self)
        before = listing(home)
        fault = row.fault() if row.fault else None
        self.relay.fault, self.relay.requests = fault, []
        command = [self.bulla, *(fill(argument, self, home) for argument in row.command.split())]
        if row.unprivileged and os.geteuid() == 0:
            subprocess.run(["chown", "-R", str(NOBODY), home], check=True)
            command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]
        if row.shell:
            command = ["bash", "-c", fill(row.shell, self, home), "bash", *command]
        done = subprocess.run(command, env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=200)
        self.relay.fault = None
        said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        if os.environ.get("SHOW"):
            print("".join(f"#   {line}\n" for line in said.splitlines()), end="")
        if done.returncode != row.exit:
            return f"exit status {done.returncode}, expected {row.exit}:\n{said}"
        if fault and not fault.met:
            return f"it never met the fault:\n{said}"
        for text in row.says:
            if fill(text, self, home) not in said:
                return f"does not say {fill(text, self, home)!r}:\n{said}"
        for text in ("panicked", PASSPHRASE, "RUST_BACKTRACE"):
            if text in said:
                return f"says {text!r}:\n{said}"
        changed = differences(before, listing(home))
        # what was verified before a signature failed may be kept, and so may what a refused tag was held against
        kept = f".docker/trust/tuf/{self.image}/metadata/"
        if "trust sign" in row.command or "--check-registry" in row.command:
            changed = [name for name in changed if not name.startswith(kept)]
        if row.exit != 0 and not row.changes and changed:
            return f"the HOME has changed: {changed}"
        return None


def fill(text: str, place: Place, home: pathlib.Path) -> str:
    key = next((home / ".docker/trust/private").glob("*.key"), pathlib.Path("none"))
    values = {"image": place.image, "tag": getattr(place, "tag", ""), "host": place.host, "home": str(home), "meta": str(metadata(home, place)), "key": key.stem,
              "digest": DIGEST.removeprefix("sha256:"), "manifest": str(place.work / "manifest")}
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def metadata(home: pathlib.Path, place: Place) -> pathlib.Path:
    return home / ".docker/trust/tuf" / place.image / "metadata"


def listing(home: pathlib.Path) -> dict[str, bytes]:
    files = (path for path in home.rglob("*") if path.is_file() and not path.name.endswith(".lock"))
    return {str(path.relative_to(home)): path.read_bytes() for path in files}


def differences(before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def certificates(work: pathlib.Path) -> None:
    """Certificates for thirty years, begun ten days ago: some rows have another clock."""
    script = """
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 11000 \
            -subj /CN=faults -addext basicConstraints=critical,CA:TRUE
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=localhost
        printf 'subjectAltName=DNS:localhost\\nextendedKeyUsage=serverAuth\\nbasicConstraints=CA:FALSE\\n' >ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 11000 -extfile ext -out server.pem
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout other.key -out other.pem -days 11000 -subj /CN=other
    """
    environment = {**os.environ, **faketime("-10d")}
    subprocess.run(["bash", "-ec", script], cwd=work, env=environment, check=True, capture_output=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, process: subprocess.Popen) -> None:
    for _ in range(300):
        if process.poll() is not None:
            sys.exit("bulla-server ended")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit("bulla-server does not listen")


def main() -> int:
    wanted = sys.argv[1:]
    rows = [row for row in ROWS if not wanted or any(text in row.name for text in wanted)]
    rows = [row for row in rows if os.environ.get("SLOW") or not row.slow]
    if not rows:
        sys.exit("no row has such a name")
    if unchecked := [row.name for row in ROWS if not row.says]:
        sys.exit(f"rows without a word of what is said: {unchecked}")
    if os.geteuid() != 0:
        skipped = [row for row in rows if row in DISK]
        rows = [row for row in rows if row not in DISK]
        if skipped:
            print(f"# {len(skipped)} rows need root to fill a disk")
    failed = 0
    with tempfile.TemporaryDirectory(prefix="bulla-faults.") as folder:
        os.chmod(folder, 0o755)
        place = Place(pathlib.Path(folder))
        try:
            print(f"1..{len(rows)}")
            for number, row in enumerate(rows, 1):
                wrong = place.play(row, number)
                failed += wrong is not None
                print(f"{'not ok' if wrong else 'ok'} {number} - {row.name}", flush=True)
                for line in (wrong or "").splitlines():
                    print(f"#   {line}")
        finally:
            place.server.terminate()
            place.server.wait()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
