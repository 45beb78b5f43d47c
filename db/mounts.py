"""Which kind of file system a path is on, as far as the system says."""

from __future__ import annotations

from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
# Their locks, or the memory that SQLite's log shares between processes, do not hold from one machine to the next.
OVER_A_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs"}
    | {f"fuse.{name}" for name in ("sshfs", "glusterfs", "s3fs", "gcsfuse", "rclone", "ceph", "juicefs")}
)


def file_system_of(path: Path, mounts: str | None = None) -> str | None:
    """The kind of file system of an absolute path, such as "ext4"; None where the system does not say."""
    if mounts is None:
        try:
            mounts = MOUNTINFO.read_text()
        except OSError:
            return None
    found: tuple[int, str] | None = None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].replace("\\040", " "))
        depth = len(point.parts)
        if path.is_relative_to(point) and (found is None or depth >= found[0]):
            found = depth, after.split()[0]
    return None if found is None else found[1]
