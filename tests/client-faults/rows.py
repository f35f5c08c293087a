"""The faults: what is done, how it goes wrong, and what is said."""

import glob
import os
import pathlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from relay import Fault


@dataclass(eq=False)
class Row:
    name: str
    command: str
    exit: int
    says: tuple[str, ...]
    # the HOME it begins with: owner, reader (one version behind) or empty
    home: str = "reader"
    fault: Callable[[], Fault] | None = None
    prepare: Callable | None = None
    variables: dict[str, str] = field(default_factory=dict)
    # run through this shell text, as "$@"
    shell: str | None = None
    unprivileged: bool = False
    # the HOME may be another afterwards
    changes: bool = False
    slow: bool = False


VERIFY = "trust verify {image}:2"
SIGN = "trust sign {image}:{tag}"
BY_HAND = SIGN + " --digest sha256:" + "ab" * 32 + " --length 10"


def answers(document: str, fault: Callable[[], Fault]) -> Callable[[], Fault]:
    def make() -> Fault:
        made = fault()
        made.match = rf"GET .*/_trust/tuf/{document}"
        return made

    return make


def at_once(fault: Callable[[], Fault]) -> Callable[[], Fault]:
    def make() -> Fault:
        made = fault()
        made.match, made.at_once = r"GET .*/_trust/update(\?|$)", True
        return made

    return make


def status(code: int, **more) -> Callable[[], Fault]:
    return lambda: Fault("", status=code, body=b"", **more)


TIMESTAMP, ROOT = r"timestamp\.json", r"root\.json"
SNAPSHOT, TARGETS = r"snapshot\.[0-9a-f]+\.json", r"targets\.[0-9a-f]+\.json"


def remote_rows() -> list[Row]:
    rows = []
    for name, document in (("timestamp", TIMESTAMP), ("snapshot", SNAPSHOT), ("targets", TARGETS)):
        not_json = (f"{name} is malformed: not an acceptable JSON document",)
        # nothing says how long a timestamp may be
        too_long = not_json if name == "timestamp" else (f"trust server returned a bad response. {name}.", "has more than the", "bytes that it may have")
        rows += [
            Row(f"{name}: 404", VERIFY, 3, (f"the trust server does not have {name}.",), fault=answers(document, status(404))),
            Row(f"{name}: 401", VERIFY, 1, ("you are not authorized to perform this operation: server returned 401.",), fault=answers(document, status(401))),
            Row(f"{name}: 403", VERIFY, 1, ("unable to reach trust server at this time: 403.",), fault=answers(document, status(403))),
            Row(f"{name}: 302", VERIFY, 1, ("unable to reach trust server at this time: 302.",), fault=answers(document, status(302, headers={"Location": "/elsewhere"}))),
            Row(f"{name}: 500", VERIFY, 1, ("unable to reach trust server at this time: 500.",), fault=answers(document, status(500))),
            Row(f"{name}: cut", VERIFY, 1, ("connection to {host} failed: it ended in the middle of an answer",), fault=answers(document, lambda: Fault("", cut=True))),
            Row(f"{name}: reset", VERIFY, 1, ("connection to {host} failed: Connection reset by peer",), fault=answers(document, lambda: Fault("", reset=True))),
            Row(f"{name}: longer", VERIFY, 3, too_long, fault=answers(document, lambda: Fault("", longer=100))),
            Row(f"{name}: empty", VERIFY, 3, not_json, fault=answers(document, status(200))),
            Row(f"{name}: HTML", VERIFY, 3, not_json, fault=answers(document, lambda: Fault("", body=b"<html>Sign in</html>", headers={"Content-Type": "text/html"}))),
            Row(f"{name}: another signature", VERIFY, 3, (f"valid signatures did not meet threshold for {name}: 0 of 1",), fault=answers(document, lambda: Fault("", flip=True))),
            Row(f"{name}: another document", VERIFY, 3, (f"{name} is malformed: the signed part is malformed",), fault=answers(document, lambda: Fault("", instead=None, body=b'{"signed":{"_type":"Root"},"signatures":[]}'))),
            Row(f"{name}: late, and then good", VERIFY, 0, ("@sha256:",), fault=answers(document, lambda: Fault("", delay=2))),
        ]
    html = {"Content-Type": "text/html"}
    for name, fault in (
        ("good", lambda: Fault("")),
        ("404", status(404)),
        ("401", status(401)),
        ("403", status(403)),
        ("302", status(302, headers={"Location": "/elsewhere"})),
        ("429", status(429, headers={"Retry-After": "60"})),
        ("500", status(500)),
        ("cut", lambda: Fault("", cut=True)),
        ("reset", lambda: Fault("", reset=True)),
        ("longer", lambda: Fault("", longer=100)),
        ("empty", lambda: Fault("", status=200, body=b"", arrives=True)),
        ("no index", lambda: Fault("", body=b"{" * (2 << 20))),
        ("HTML", lambda: Fault("", body=b"<html>Sign in</html>", headers=html)),
        ("another signature", lambda: Fault("", flip=True)),
        ("late, and then good", lambda: Fault("", delay=2)),
    ):
        for home in ("reader", "empty"):
            rows.append(Row(f"all in one answer, for {home}: {name}", VERIFY, 0, ("@sha256:",), home=home, fault=at_once(fault)))
    for code in (429, 503):
        rows.append(Row(f"a server that is busy once: {code}", VERIFY, 0, ("@sha256:",), fault=answers(TIMESTAMP, status(code, times=1, headers={"Retry-After": "0"}))))
        rows.append(Row(f"a server that stays busy: {code}", VERIFY, 1, (f"{{host}} is busy ({code}): it was asked 5 times",), fault=answers(TIMESTAMP, status(code, headers={"Retry-After": "0"}))))
    rows += [
        Row("root: 404 on first use", VERIFY, 3, ("remote trust data does not exist for {image}",), home="empty", fault=answers(ROOT, status(404))),
        Row("root: HTML on first use", VERIFY, 3, ("root is malformed: not an acceptable JSON document",), home="empty", fault=answers(ROOT, lambda: Fault("", body=b"<html></html>"))),
        Row("root: another signature on first use", VERIFY, 3, ("valid signatures did not meet threshold for root: 0 of 1",), home="empty", fault=answers(ROOT, lambda: Fault("", flip=True))),
        Row("root: endless on first use", VERIFY, 3, ("root.json has more than the 16777216 bytes that it may have",), home="empty", fault=answers(ROOT, lambda: Fault("", longer=17 << 20))),
        Row("ping: 500", VERIFY, 0, ("@sha256:",), fault=lambda: Fault(r"GET /v2/$", status=500)),
        Row("ping: reset", VERIFY, 1, ("connection to {host} failed",), fault=lambda: Fault(r"GET /v2/$", reset=True)),
        Row("a server that says nothing", VERIFY, 1, ("connection to {host} failed",), slow=True, fault=answers(TIMESTAMP, lambda: Fault("", delay=70))),
        Row("publish: 400 with a reason", BY_HAND, 1, ("trust server rejected operation: not like that",), home="owner",
            fault=lambda: Fault("POST", status=400, body=b'{"errors":[{"code":"INVALID_UPDATE","message":"not like that"}]}')),
        Row("publish: 400 without one", BY_HAND, 1, ("trust server rejected operation: no reason given",), home="owner", fault=lambda: Fault("POST", status=400, body=b"")),
        Row("publish: 401", BY_HAND, 1, ("server returned 401",), home="owner", fault=lambda: Fault("POST", status=401, body=b"")),
        Row("publish: 413", BY_HAND, 1, ("unable to reach trust server at this time: 413.",), home="owner", fault=lambda: Fault("POST", status=413, body=b"")),
        Row("publish: 500", BY_HAND, 1, ("unable to reach trust server at this time: 500.",), home="owner", fault=lambda: Fault("POST", status=500, body=b"")),
        Row("publish: reset", BY_HAND, 1, ("connection to {host} failed",), home="owner", fault=lambda: Fault("POST", reset=True)),
        Row("publish: one conflict", BY_HAND, 0, ("Successfully signed {image}:{tag}",), home="owner",
            fault=lambda: Fault("POST", status=400, body=b'{"errors":[{"code":"VERSION","message":"newer"}]}', times=1)),
        Row("publish: stored, and answered with a conflict", BY_HAND, 0, ("{image}:{tag} was signed with this digest already",), home="owner",
            fault=lambda: Fault("POST", status=400, body=b'{"errors":[{"code":"VERSION","message":"newer"}]}', times=1, arrives=True)),
        Row("no fault: the digest of what is signed", SIGN, 0, ("{tag}: digest: sha256:{digest} size: 88\nSuccessfully signed {image}:{tag}\n",), home="owner"),
        Row("no fault: the digest of what is signed by hand", BY_HAND, 0, ("{tag}: digest: sha256:" + "ab" * 32 + " size: 10\nSuccessfully signed {image}:{tag}\n",), home="owner"),
        Row("no server", VERIFY, 4, ("cannot reach localhost:1",), variables={"DOCKER_CONTENT_TRUST_SERVER": "https://localhost:1"}),
        Row("no such host", VERIFY, 4, ("cannot reach nowhere.invalid",), variables={"DOCKER_CONTENT_TRUST_SERVER": "https://nowhere.invalid"}),
        Row("plain http", VERIFY, 1, ("valid https URL required for trust server",), variables={"DOCKER_CONTENT_TRUST_SERVER": "http://{host}"}),
        Row("an authority that nobody trusts", VERIFY, 1, ("connection to {host} failed", "UnknownIssuer", "tls/{host}/ca.crt"), prepare=lambda home, place: remove(home / ".docker/tls" / place.host / "ca.crt")),
    ]
    return rows


def remove(path: pathlib.Path) -> None:
    path.unlink()


def key_file(home: pathlib.Path, role: str) -> pathlib.Path:
    return next(path for path in (home / ".docker/trust/private").glob("*.key") if f"role: {role}" in path.read_text())


def change(find: Callable, how: str) -> Callable:
    """Prepares a HOME in which one file is not as it should be."""

    def prepare(home, place):
        path = find(home, place)
        match how:
            case "missing":
                path.unlink()
            case "empty":
                path.write_bytes(b"")
            case "torn":
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            case "unreadable":
                path.chmod(0)
            case "open":
                path.chmod(0o644)
            case "directory":
                path.unlink()
                path.mkdir()

    return prepare


def metadata_of(home: pathlib.Path, place) -> pathlib.Path:
    return home / ".docker/trust/tuf" / place.image / "metadata"


def cached(role: str) -> Callable:
    return lambda home, place: metadata_of(home, place) / f"{role}.json"


def file_rows() -> list[Row]:
    rows = []
    for role in ("timestamp", "snapshot", "targets"):
        for how in ("missing", "empty", "torn"):
            rows.append(Row(f"cached {role}: {how}", VERIFY, 0, ("@sha256:",), prepare=change(cached(role), how)))
        rows.append(Row(f"cached {role}: unreadable", VERIFY, 1, ("cannot read {meta}/" + role + ".json",), unprivileged=True, prepare=change(cached(role), "unreadable")))
        rows.append(Row(f"cached {role}: a directory", VERIFY, 1, ("cannot read {meta}/" + role + ".json",), prepare=change(cached(role), "directory")))
    rows += [
        Row("cached root: missing", VERIFY, 3, ("the trusted root is missing", "remove {meta}"), prepare=change(cached("root"), "missing")),
        Row("cached root: empty", VERIFY, 3, ("the cached root is damaged",), prepare=change(cached("root"), "empty")),
        Row("cached root: torn", VERIFY, 3, ("the cached root is damaged",), prepare=change(cached("root"), "torn")),
        Row("cached root: unreadable", VERIFY, 1, ("cannot read {meta}/root.json",), unprivileged=True, prepare=change(cached("root"), "unreadable")),
    ]
    targets_key = lambda home, place: key_file(home, "targets")  # noqa: E731
    rows += [
        Row("repository key: missing", BY_HAND, 1, ("could not find necessary signing keys",), home="owner", prepare=change(targets_key, "missing")),
        Row("repository key: empty", BY_HAND, 1, ("holds no private key that can be read", "could not find necessary signing keys"), home="owner", prepare=change(targets_key, "empty")),
        Row("repository key: torn", BY_HAND, 1, ("holds no private key that can be read", "could not find necessary signing keys"), home="owner", prepare=change(targets_key, "torn")),
        Row("repository key: unreadable", BY_HAND, 1, ("cannot read {home}/.docker/trust/private/", "could not find necessary signing keys"), home="owner", unprivileged=True, prepare=change(targets_key, "unreadable")),
        Row("repository key: open to others", BY_HAND, 0, ("is open to others (mode 0644); it should be 0600", "Successfully signed"), home="owner", prepare=change(targets_key, "open")),
        Row("config.json: torn", VERIFY, 1, ("config.json is not docker's configuration",), prepare=lambda home, _: (home / ".docker/config.json").write_text('{"auths": {')),
        Row("config.json: unreadable", VERIFY, 1, ("cannot read {home}/.docker/config.json",), unprivileged=True,
            prepare=lambda home, _: ((home / ".docker/config.json").write_text("{}"), (home / ".docker/config.json").chmod(0))),
        Row("a credential helper that is not there", VERIFY, 1, ("cannot run the credential helper docker-credential-nosuch",),
            prepare=lambda home, _: (home / ".docker/config.json").write_text('{"credsStore": "nosuch"}')),
        Row("ca.crt: torn", VERIFY, 1, ("{home}/.docker/tls/{host}/ca.crt holds no usable certificate or key",), prepare=change(lambda home, place: home / ".docker/tls" / place.host / "ca.crt", "torn")),
        Row("a trust directory that is read-only: reading", VERIFY, 0, ("@sha256:", "Warning: trust data could not be kept: cannot write {meta}/"), unprivileged=True,
            prepare=lambda home, place: cached("root")(home, place).parent.chmod(0o555)),
        Row("a trust directory that is read-only: a new key", "trust key generate bob --dir /tmp", 1, ("failed to generate key for bob: cannot write {home}/.docker/trust/private/",), home="owner", unprivileged=True,
            prepare=lambda home, _: (home / ".docker/trust/private").chmod(0o555)),
    ]
    return rows


# does what doctor says, as it says it, and asks it again
MENDED = r"""
    PATH="$(dirname "$1"):$PATH"; "$@" 2>/dev/null | sed -n 's/^to do: .*: \(bulla\|chmod\|mv\) /\1 /p' >{home}/commands
    cat {home}/commands; bash -e {home}/commands && "$@"
"""


def staged_torn(home, place):
    staged = metadata_of(home, place).parent / "changelist"
    staged.mkdir()
    (staged / "1.change").write_text("{")


def elsewhere(home, place):
    staged_torn(home, place)
    (home / ".docker/trust").rename(home / "elsewhere")


def broken_keys(home, _):
    key_file(home, "targets").chmod(0o640)
    (home / ".docker/trust/private/00.key").write_text("torn")


# somebody ran the client as root once
OF_ROOT = r"""
    chown -R 65534 {home}; chown 0 {home}/.docker/trust/private/{key}.key
    exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
"""

DOCTOR = [
    Row("doctor: nothing known", "doctor", 0, ("no repository is known in {home}/.docker/trust",), home="empty"),
    Row("doctor: nothing known of a host", "doctor --host nowhere.invalid", 0, ("no repository of nowhere.invalid is known in {home}/.docker/trust",)),
    Row("doctor: keys that are open and torn", "doctor", 0, ("chmod 600 ", "mv ", "nothing to do"), home="owner", shell=MENDED, prepare=broken_keys),
    Row("doctor: a key that its owner may not read", "doctor", 0, ("chmod 600 {home}/.docker/trust/private/", "nothing to do"), home="owner", unprivileged=True, shell=MENDED,
        prepare=change(lambda home, _: key_file(home, "targets"), "unreadable")),
    Row("doctor: a key of root", "doctor", 1, ("is the user 0's, and the user 65534 may not read it: sudo chown 65534 {home}/.docker/trust/private/",), home="owner", shell=OF_ROOT),
    Row("doctor: a directory that its owner may not write to", "doctor", 0, ("chmod 700 {home}/.docker/trust/private", "nothing to do"), home="owner", unprivileged=True, shell=MENDED,
        prepare=lambda home, _: (home / ".docker/trust/private").chmod(0o555)),
    Row("doctor: a torn change", "doctor", 0, ("bulla repo reset --all {image}", "nothing to do"), home="owner", shell=MENDED, prepare=staged_torn),
    Row("doctor: another directory and server", "-d {home}/elsewhere -s https://{host} doctor", 0,
        ("bulla --trust-dir {home}/elsewhere --server https://{host} repo reset --all {image}", "nothing to do"), home="owner", shell=MENDED, prepare=elsewhere),
]

# fills what the disk of the trust directory has left
FULL = """
    mkdir {home}/disk && mount -t tmpfs -o size=200k tmpfs {home}/disk && cp -r {home}/.docker {home}/disk/ && export HOME={home}/disk
    dd if=/dev/zero of={home}/disk/full bs=1k 2>/dev/null; exec "$@"
"""


def disk(text: str) -> str:
    return f"""exec unshare --mount --propagation private bash -c '{text}' bash "$@" """


DISK = [
    Row("a full disk: reading", VERIFY, 0, ("@sha256:", "Warning: trust data could not be kept", "No space left on device"), shell=disk(FULL)),
    Row("a full disk: a new key", "trust key generate bob --dir /tmp/", 1, ("cannot write", "No space left on device"), home="owner", shell=disk(FULL), changes=True),
]

NO_PASSPHRASE = {"DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE": "", "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE": ""}


def passphrase_row(name: str, exit: int, says: tuple[str, ...], variables: dict[str, str] | None = None, options: str = "", **more) -> Row:
    return Row(f"passphrase: {name}", f"{options} {BY_HAND}", exit, says, home="owner", variables={**NO_PASSPHRASE, **(variables or {})}, **more)


def write(name: str, content: bytes, mode: int = 0o600) -> Callable:
    def prepare(home, _):
        (home / name).write_bytes(content)
        (home / name).chmod(mode)

    return prepare


RIGHT = b"a-passphrase-of-the-faults\n"
FILE = {"BULLA_TARGETS_PASSPHRASE_FILE": "{home}/pass"}
ASK = {"BULLA_ASKPASS": "{home}/ask"}

PASSPHRASES = [
    passphrase_row("none, and no terminal", 1, ("no passphrase for the repository key", "DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE")),
    passphrase_row("wrong in the environment", 1, ("does not open the repository key",), {"DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE": "wrong"}),
    passphrase_row("right in a file", 0, ("Successfully signed",), FILE, prepare=write("pass", RIGHT)),
    passphrase_row("wrong in a file", 1, ("the passphrase in the file {home}/pass that BULLA_TARGETS_PASSPHRASE_FILE names does not open the repository key",), FILE, prepare=write("pass", b"wrong\n")),
    passphrase_row("a file that is not there", 1, ("{home}/pass that BULLA_TARGETS_PASSPHRASE_FILE names: it is not there; write the passphrase into it",), FILE),
    passphrase_row("a file that is empty", 1, ("{home}/pass that BULLA_TARGETS_PASSPHRASE_FILE names: its first line is empty",), FILE, prepare=write("pass", b"")),
    passphrase_row("a file that others may read", 0, ("{home}/pass is open to others (mode 0644); it should be 0600", "Successfully signed"), FILE, prepare=write("pass", RIGHT, 0o644)),
    passphrase_row("a file that others may write", 1, ("{home}/pass that BULLA_TARGETS_PASSPHRASE_FILE names: others may write to it (mode 0666); make it 0600",), FILE, prepare=write("pass", RIGHT, 0o666)),
    passphrase_row("a file that is a directory", 1, ("{home}/pass that BULLA_TARGETS_PASSPHRASE_FILE names: it cannot be read: Is a directory",), FILE, prepare=lambda home, _: (home / "pass").mkdir()),
    passphrase_row("a file of 4097 bytes", 1, ("{home}/pass that BULLA_TARGETS_PASSPHRASE_FILE names: it is longer than 4096 bytes",), FILE, prepare=write("pass", b"x" * 4097)),
    passphrase_row("right on a descriptor", 0, ("Successfully signed",), options="--passphrase-fd 3", prepare=write("pass", RIGHT), shell='exec "$@" 3<{home}/pass'),
    passphrase_row("a descriptor that is closed", 1, ("file descriptor 3: it is not open for reading",), options="--passphrase-fd 3", shell='exec "$@" 3<&-'),
    passphrase_row("a descriptor with nothing in it", 1, ("file descriptor 3: its first line is empty",), options="--passphrase-fd 3", shell='exec "$@" 3</dev/null'),
    passphrase_row("right from a program", 0, ("Successfully signed",), ASK, prepare=write("ask", b"#!/bin/sh\necho a-passphrase-of-the-faults\n", 0o700)),
    passphrase_row("a program that is not there", 1, ("the command {home}/ask that BULLA_ASKPASS names: it cannot be run",), ASK),
    passphrase_row("a program that fails", 1, ("the command {home}/ask that BULLA_ASKPASS names: it ended with exit status: 3",), ASK, prepare=write("ask", b"#!/bin/sh\nexit 3\n", 0o700)),
    passphrase_row("a program that says nothing", 1, ("the command {home}/ask that BULLA_ASKPASS names: its first line is empty",), ASK, prepare=write("ask", b"#!/bin/sh\n", 0o700)),
    passphrase_row("a program that is wrong three times", 1, ("no usable passphrase for the repository key", "after 3 attempts"), ASK, prepare=write("ask", b"#!/bin/sh\necho wrong\n", 0o700)),
]


def faketime(offset: str) -> dict[str, str]:
    library = next(iter(glob.glob("/usr/lib/*/faketime/libfaketime.so.1")), "")
    return {"LD_PRELOAD": library, "FAKETIME": offset}


CLOCK = [
    Row("a clock that is 15 days ahead", VERIFY, 3, ("timestamp expired at",), variables=faketime("+15d")),
    Row("a clock that is three years and a day ahead", VERIFY, 3, ("timestamp expired at",), variables=faketime("+1096d")),
    Row("a clock that is two days behind, on first use", VERIFY, 3, ("the certificate for \"{image}\" is not valid before",), home="empty", variables=faketime("-2d")),
]


def registry(fault: Callable[[], Fault]) -> Callable[[], Fault]:
    def make() -> Fault:
        made = fault()
        made.match = r"GET .*/manifests/"
        return made

    return make


def token_service(status: int = 200, body: bytes = b'{"token":"t"}', **more) -> Callable[[], Fault]:
    """The registry wants a token of the token service, which is the relay, too."""
    return lambda: Fault(r"GET /token", status=status, body=body, wants_token=True, **more)


REGISTRY = [
    Row("registry: no such tag, and no docker that may have it", "trust sign {image}:missing", 3, ("the registry has no manifest for {image}:missing",), home="owner", variables={"PATH": "{home}"}),
    Row("registry: 401", SIGN, 1, ("the registry answered 401 for {image}:{tag}: log in",), home="owner", fault=registry(status(401))),
    Row("registry: 500", SIGN, 1, ("the registry answered 500 for {image}:{tag}",), home="owner", fault=registry(status(500))),
    Row("registry: cut", SIGN, 1, ("cannot ask the registry: the connection to {host} failed: it ended in the middle of an answer",), home="owner", fault=registry(lambda: Fault("", cut=True))),
    Row("registry: another digest than it says", SIGN, 3, ("but sends a manifest with sha256:44136fa355b3678a",), home="owner", fault=registry(lambda: Fault("", body=b"{}"))),
    Row("registry: a page in place of a manifest", SIGN, 3, ('the registry sends "text/html" where a manifest should be',), home="owner", fault=registry(lambda: Fault("", body=b"<html>", headers={"Content-Type": "text/html"}))),
    Row("registry: a manifest without end", SIGN, 3, ("the registry sends more than 4194304 bytes",), home="owner", fault=registry(lambda: Fault("", longer=5 << 20))),
    Row("token service: 401", SIGN, 1, ("cannot ask the registry: you are not authorized to perform this operation: server returned 401.",), home="owner", fault=token_service(401)),
    Row("token service: 500", SIGN, 1, ("no token from https://{host}/token: it answered 500",), home="owner", fault=token_service(500)),
    Row("token service: HTML", SIGN, 1, ("no token from https://{host}/token: its answer cannot be understood",), home="owner", fault=token_service(body=b"<html>")),
    Row("token service: no token", SIGN, 1, ("its answer holds no token",), home="owner", fault=token_service(body=b"{}")),
    Row("token service: reset", SIGN, 1, ("cannot ask the registry: the connection to {host} failed",), home="owner", fault=token_service(reset=True)),
    Row("token service: a token that the registry does not take", SIGN, 1, ("the registry answered 401",), home="owner", fault=token_service()),
    Row("registry: a tag that was moved", "trust verify --check-registry {image}:2", 3, ("was changed in the registry",),
        fault=registry(lambda: Fault("", body=b"{}", headers={"Docker-Content-Digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}))),
    Row("registry: the tag is not moved", "trust push-tag {image}:missing --from-tag 1", 1, ("the registry answered 500 to the tag {image}:missing",), home="owner", changes=True, fault=lambda: Fault("PUT", status=500, body=b"")),
]

AWAY = {"DOCKER_CONTENT_TRUST_SERVER": "https://localhost:1"}
# verbs that read, what each prints, and its exit code when it may not use what is cached
READING = [
    ("trust inspect {image}:1", "{digest}", 1),
    ("trust inspect --pretty {image}:1", "{digest}", 1),
    ("trust verify {image}:1", "{digest}", 4),
    ("repo list {image}", "{digest}", 4),
    ("repo lookup {image} 1", "{digest}", 4),
    ("repo verify {image} 1 -i {manifest}", '"schemaVersion"', 4),
    ("delegation list {image}", "No delegations present", 4),
]


def cache_rows() -> list[Row]:
    """What is cached while the server is away: by permission only, and never without its age."""
    allow = lambda value: write(".docker/trust/bulla.json", b'{"allow_cached": %s}' % value)  # noqa: E731
    refusal = ("cannot reach localhost:1", "fetched 2 hours ago", "--allow-cached", '"allow_cached": true in {home}/.docker/trust/bulla.json')
    rows = []
    for command, prints, exit in READING:
        verb = command.split(" {")[0]
        used = (prints, "Warning: the trust server cannot be reached; using cached trust data, fetched 2 hours ago, valid until")
        flag = command + " --allow-cached"
        for how, line, settings, code, says in [
            ("nobody allowed it", command, None, exit, refusal),
            ("the settings forbid it", command, b"false", exit, refusal),
            ("the command line allows it", flag, None, 0, used),
            ("the command line allows it and the settings do not", flag, b"false", 0, used),
            ("the settings allow it", command, b"true", 0, used),
        ]:
            rows.append(Row(f"the cache of {verb}: {how}", line, code, says, variables=AWAY, prepare=both(aged, allow(settings) if settings else None)))
    rows += [
        Row("the cache of trust verify: there is none", "trust verify {image}:1 --allow-cached", 4, ("cannot reach localhost:1",), home="empty", variables=AWAY),
        Row("the cache of pin show: never", "pin show {image}", 4, ("cannot reach localhost:1",), variables=AWAY, prepare=allow(b"true")),
    ]
    return rows


def aged(home: pathlib.Path, place) -> None:
    fetched = time.time() - 9000
    os.utime(cached("timestamp")(home, place), (fetched, fetched))


def both(first: Callable, second: Callable | None) -> Callable:
    return lambda home, place: (first(home, place), second and second(home, place))


STAGED = [
    Row("staged for a delegation that is not there", "-s https://{host} repo add -p {image} x {home}/.docker/tls/{host}/ca.crt --roles targets/x", 1,
        ("the delegation targets/x is not there", "`bulla --server https://{host} repo reset {image} -n NUMBER` takes a change away"), home="owner", changes=True),
]

ROWS = [*remote_rows(), *cache_rows(), *file_rows(), *DOCTOR, *STAGED, *DISK, *PASSPHRASES, *CLOCK, *REGISTRY]
