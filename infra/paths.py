"""Where things lie in a clone of the repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
"""What this machine makes for itself: local clouds, copies of the app, built packages. Never committed."""


def cloud_home(endpoint: str) -> Path:
    """What belongs to one local cloud, by its port: its log, its scratch files, the app deployed to it."""
    return LOCAL / f"cloud-{endpoint.rpartition(':')[2]}"
