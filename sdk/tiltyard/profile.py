"""The profile: where this user's testbed is, and the token that opens it.

`tiltyard up` writes it, so that the command line and `Client()` need no flags on the same machine. The environment goes
before it. The token in the file is sent to the address in the file alone: a TILTYARD_URL that names another testbed
needs a TILTYARD_TOKEN beside it.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "No testbed is known here. Start one with `tiltyard up`, or set TILTYARD_URL and TILTYARD_TOKEN."


class NoTestbed(LookupError):
    """Neither the environment nor a profile names a testbed; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A testbed's address and a token for it."""

    url: str
    token: str


def profile_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where the profile is kept: `$XDG_CONFIG_HOME/tiltyard/profile.json`, or under `~/.config`."""
    given = environment.get("XDG_CONFIG_HOME", "")
    # The XDG specification has relative paths ignored.
    base = Path(given) if given.startswith("/") else Path.home() / ".config"
    return base / "tiltyard" / "profile.json"


def load_profile(
    environment: Mapping[str, str] = os.environ, *, url: str | None = None, token: str | None = None
) -> Profile:
    """The testbed that is given, or else the environment's, or else the profile's.

    Raises:
        NoTestbed: none is named, or the one that is has no token that is meant for it.
    """
    address = url or environment.get("TILTYARD_URL")
    # The environment's token is for the environment's address, where it names one.
    if not url or environment.get("TILTYARD_URL", url).rstrip("/") == url.rstrip("/"):
        token = token or environment.get("TILTYARD_TOKEN")
    if address and token:
        return Profile(url=address.rstrip("/"), token=token)
    kept = read_profile(profile_path(environment))
    if kept is None:
        missing = "TILTYARD_TOKEN" if address else "TILTYARD_URL"
        raise NoTestbed(
            f"Set {missing} too: there is no profile to take it from." if address or token else UNKNOWN
        )
    if address and address.rstrip("/") != kept.url:
        raise NoTestbed(f"Set TILTYARD_TOKEN too: the profile's token is for {kept.url}, not for {address}.")
    return Profile(url=kept.url, token=token or kept.token)


def read_profile(path: Path) -> Profile | None:
    """The profile in a file; None when there is no file.

    Raises:
        NoTestbed: the file is there and holds no profile.
    """
    try:
        kept = json.loads(path.read_bytes())
        return Profile(url=str(kept["url"]).rstrip("/"), token=str(kept["token"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoTestbed(
            f"The profile {path} cannot be read ({error}); remove it or start `tiltyard up`."
        ) from error


def save_profile(profile: Profile, path: Path | None = None) -> Path:
    """Write the profile, readable by its owner alone; whoever reads at the same time sees the old or the new one, whole."""
    return _write({"url": profile.url.rstrip("/"), "token": profile.token}, path or profile_path())


def save_worker(settings: Mapping[str, str], path: Path | None = None) -> Path:
    """Write what a further worker on this machine needs to join its testbed: the settings of those that run, by name."""
    return _write(dict(settings), path or worker_path())


def load_worker(path: Path | None = None) -> dict[str, str]:
    """What `save_worker` wrote; nothing where there is no such file, or it cannot be read."""
    try:
        kept = json.loads((path or worker_path()).read_bytes())
        return {str(name): str(value) for name, value in kept.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def worker_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Where it is kept: beside the profile, which no job sees."""
    return profile_path(environment).with_name("worker.json")


def _write(content: Mapping[str, str], path: Path) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.write("\n")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def forget_profile(url: str, path: Path | None = None) -> None:
    """Remove the profile if it is of the testbed at `url`; one of another testbed stays."""
    path = path or profile_path()
    kept = read_profile(path)
    if kept is not None and kept.url == url.rstrip("/"):
        path.unlink(missing_ok=True)
