"""Where things lie in a clone of the repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ROOT / ".local"
"""What this machine makes for itself: local clouds, copies of the app, built packages. Never committed."""
