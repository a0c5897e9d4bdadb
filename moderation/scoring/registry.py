"""Temporary: the scoring developer replaces this file."""

from moderation.scoring.scorer import Scorer, TextScore
from moderation.settings import Settings


def required_scorers(settings: Settings) -> tuple[str, ...]:
    return {"off": (), "detoxify": ("detoxify",)}.get(settings.scorer, ("builtin",))


def follow_up(settings: Settings, result: TextScore) -> str | None:
    return None


def make_scorer(name: str, settings: Settings) -> Scorer:
    from moderation.scoring.builtin import BuiltinScorer

    return BuiltinScorer()
