"""People who decide on one comment in the same moment: one wins, the others are told (long run: `make chaos-race`)."""

import pytest

from bench import chaos_race
from moderation.db import Database


@pytest.mark.parametrize(("races", "ways"), [(50, 2), (2, 8)])
def test_a_race_has_one_winner_and_everybody_else_is_told(
    db: Database, database_url: str, races: int, ways: int
) -> None:
    people, comments = chaos_race.prepare(db, ways, races)
    found = chaos_race.race(database_url, people, comments, processes=1)
    assert found.violations == []
    assert sum(found.told.values()) == races * (ways - 1)
    assert {len(winners) for winners in found.winners.values()} == {1}


def test_a_race_that_nobody_guards_is_noticed(db: Database, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What looks for broken rules must see one."""
    people, comments = chaos_race.prepare(db, 2, 3)
    track = chaos_race.Track(database_url, people, comments)
    monkeypatch.setattr(track, "_decide", lambda place, turn, number: track.result.winners[number].append(place))
    found = track.run()
    assert len(found.violations) == 3
    assert len(chaos_race.audited(db, found, comments)) > 3
