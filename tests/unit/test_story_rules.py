"""When a story closes, and in which section it stands."""

from datetime import UTC, datetime, timedelta

import pytest

from moderation.accounts.models import Site
from moderation.comments import story_rules
from moderation.comments.models import Story

HEARD = datetime(2026, 11, 10, tzinfo=UTC)


def site(days: int | None = None, sections: tuple[str, ...] = (), url: str = "https://warta.example") -> Site:
    return Site(url=url, close_after_days=days, premoderated_sections=list(sections))


def story(
    path: str = "/a", section: str | None = None, published: datetime | None = None, host: str = "https://warta.example"
) -> Story:
    return Story(url=host + path, section=section, published_at=published, created_at=HEARD)


def test_a_story_never_closes_where_the_site_says_nothing() -> None:
    assert not story_rules.is_closed(site(), story(), HEARD + timedelta(days=9999))


def test_a_story_closes_so_many_days_after_it_appeared_and_not_a_second_before() -> None:
    published = HEARD - timedelta(days=3)
    article = story(published=published)
    assert not story_rules.is_closed(site(14), article, published + timedelta(days=14, seconds=-1))
    assert story_rules.is_closed(site(14), article, published + timedelta(days=14))


def test_without_a_date_the_days_count_from_when_we_first_heard_of_it() -> None:
    assert not story_rules.is_closed(site(1), story(), HEARD + timedelta(hours=23))
    assert story_rules.is_closed(site(1), story(), HEARD + timedelta(hours=24))


def test_a_person_closes_a_story_whatever_the_site_says_of_age() -> None:
    closed = story()
    closed.closed_at = HEARD + timedelta(hours=2)
    for rules in (site(), site(14)):
        assert not story_rules.is_closed(rules, closed, HEARD + timedelta(hours=1))
        assert story_rules.is_closed(rules, closed, HEARD + timedelta(hours=2))
    closed.closed_at = HEARD + timedelta(days=20)  # the site's own rule came first
    assert story_rules.closes_at(site(14), closed) == HEARD + timedelta(days=14)


@pytest.mark.parametrize(
    ("path", "section", "found"),
    [
        ("/politik/1", None, "Politik"),
        ("/POLITIK", None, "Politik"),
        ("/a", "politik", "Politik"),
        ("/a", " POLITIK ", "Politik"),
        ("/politikus/1", None, None),
        ("/a/politik", None, None),
        ("/a", "politik luar", None),
        ("/gaya-hidup/resep", None, "Gaya Hidup"),
        ("/Gaya%20Hidup/resep", None, "Gaya Hidup"),
        ("/daerah/bali/1", None, "daerah/bali"),
        ("/daerah/jawa/1", None, None),
        ("/daerah", None, None),
        ("", None, None),
    ],
)
def test_a_story_is_in_a_section_by_its_own_name_or_by_its_path(path: str, section: str | None, found: str) -> None:
    rules = site(sections=("Politik", "Gaya Hidup", "daerah/bali"))
    assert story_rules.premoderated_section(rules, story(path, section)) == found


def test_the_folder_in_which_a_whole_site_lives_is_no_section() -> None:
    rules = site(sections=("politik",), url="https://media.example/warta")
    assert story_rules.premoderated_section(rules, story("/warta/politik/1", host="https://media.example")) == "politik"
    assert story_rules.premoderated_section(rules, story("/warta/politikus", host="https://media.example")) is None
