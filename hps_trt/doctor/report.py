"""What a check says, and the words that several checks share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was looked at.
        status: "problem" stops the host tier; "warning" makes something slow or unavailable.
        found: What was found, with versions and sizes.
        mend: What to do; "" when there is nothing to do.
    """

    name: str
    status: Status
    found: str
    mend: str = ""

    def to_dict(self) -> dict[str, str]:
        """For machines."""
        return {
            "name": self.name,
            "status": self.status,
            "found": self.found,
            "mend": self.mend,
        }


def ok(name: str, found: str, mend: str = "") -> Check:
    """Nothing to do, or only advice."""
    return Check(name, "ok", found, mend)


def warning(name: str, found: str, mend: str) -> Check:
    """Works, but something is slow or unavailable."""
    return Check(name, "warning", found, mend)


def problem(name: str, found: str, mend: str) -> Check:
    """Stops the host tier."""
    return Check(name, "problem", found, mend)


def read(path: Path) -> str | None:
    """The text of a small file, stripped; None when it does not exist or may not be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def sized(size: int) -> str:
    """A size for people: "3.2 GiB"."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def meminfo(path: Path) -> dict[str, int]:
    """The fields of a meminfo file: bytes where the kernel says kB, otherwise a count.

    A node's meminfo ("Node 0 MemTotal: ...") is read too.
    """
    fields: dict[str, int] = {}
    for line in (read(path) or "").splitlines():
        name, colon, value = line.rpartition(":")
        words = value.split()
        if colon and words and words[0].isdigit():
            unit = 1024 if words[1:] == ["kB"] else 1
            fields[name.split()[-1]] = int(words[0]) * unit
    return fields
