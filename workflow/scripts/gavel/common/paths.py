"""Folders of the project, found from this file."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
SCRIPTS = ROOT / "workflow" / "scripts"  # of the rules; this library lies among them
PROMPTS = ROOT / "resources" / "prompts"  # those that ship
ACCELERATE = ROOT / "workflow" / "accelerate"  # one launcher configuration a file

JUDGE_CACHE = "judge-answers.sqlite"  # in a state folder: judge answers that have been asked for
