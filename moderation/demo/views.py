"""The demo articles under `/demo`: what a site's page does with our form, our thread and our "Recent Comments" box.

Public pages in the site's language; `?lang=en` shows the other one, keeps it in every link, and remembers nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from babel.dates import format_date
from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext

from moderation import i18n, parsing, web
from moderation.accounts import sites
from moderation.accounts.models import Site
from moderation.comments import form, reading, reports
from moderation.comments.reading import Own, Shown
from moderation.db import utcnow
from moderation.demo.content import ARTICLES, Article
from moderation.errors import NotFound

demo = Blueprint("demo", __name__, url_prefix="/demo")

PAGE_SIZE = 200
"""Root comments on the page; an article of a demonstration has fewer."""

RECENT = 5
"""Lines of the "Recent Comments" box: WordPress's default."""

SAVED = {"author": "comment_author", "email": "comment_author_email", "url": "comment_author_url"}
"""Form field → the cookie in which a browser without JavaScript keeps it (set by the form's door)."""


@dataclass(frozen=True, slots=True)
class Links:
    """The page's addresses; each keeps the language that the reader asked for."""

    public_id: str
    article: Article
    asked: str | None
    """The language named in the address, or None."""

    def _to(self, path: str, **query: str) -> str:
        if self.asked:
            query = {"lang": self.asked, **query}
        return f"{path}?{urlencode(query)}" if query else path

    @property
    def home(self) -> str:
        """The demo's first article."""
        return self._to(url_for("demo.article"))

    @property
    def post(self) -> str:
        """Where the form goes."""
        return self._to(f"/f/{self.public_id}/comments")

    def report(self, comment_id: int) -> str:
        """Where a report on a comment goes."""
        return self._to(f"/f/{self.public_id}/comments/{comment_id}/reports")

    @property
    def feed(self) -> str:
        """What the page asks to learn that its thread has changed."""
        return f"/f/{self.public_id}/comments?{urlencode({'story': self.article.external_id})}"

    @property
    def cancel(self) -> str:
        """This page without a reply begun."""
        return self._to(self.article.path) + "#reply"

    def reply(self, comment_id: int) -> str:
        """This page with the form answering a comment."""
        return self._to(self.article.path, replytocom=str(comment_id)) + "#reply"

    def language(self, code: str) -> str:
        """This page in another language."""
        return f"{self.article.path}?{urlencode({'lang': code})}"

    def story(self, path: str, fragment: str = "") -> str:
        """Another article of the demo."""
        return self._to(path) + fragment


@demo.app_context_processor
def _offer() -> dict[str, Any]:
    return {"demo_url": url_for("demo.article")}


@demo.get("")
def article() -> str:
    """The first article."""
    return _page(ARTICLES["demo-1"])


@demo.get("/2")
def second() -> str:
    """The second article: without it every recent comment would stand under the same title."""
    return _page(ARTICLES["demo-2"])


def _page(shown: Article) -> str:
    now = utcnow()
    with web.database().reading() as session:
        site = sites.demo_site(session)
        if site is None:
            raise NotFound("There is no demo site.")
        i18n.for_reader(site.language, site.timezone)
        asked = request.args.get("lang")
        links = Links(site.public_id, shown, asked if asked in i18n.LANGUAGES else None)
        thread = reading.thread(session, site, shown.external_id, now=now, page_size=PAGE_SIZE)
        own = _own(session, site)
        recent = reading.recent(session, site, limit=RECENT, now=now)
        token = form.make_token(web.secret(), site.public_id, shown.external_id, now)
        closed = form.is_closed(session, site, shown.external_id, now)
        texts = form.texts(site, gettext)
        site_name = site.name
    language = i18n.language()
    reply_to = _answered(thread.items)
    other = next(item for item in ARTICLES.values() if item is not shown)
    return render_template(
        "demo/article.html",
        site_name=site_name,
        article=shown.text(language),
        published=shown.published,
        published_text=format_date(shown.published, "d MMMM y", locale=language),
        other={"title": other.text(language).title, "url": links.story(other.path)},
        thread=thread,
        own=own,
        recent=[_recent_line(line, links, language) for line in recent],
        reply_to=reply_to,
        links=links,
        values=_values(shown, reply_to),
        token=token,
        closed=closed,
        texts=texts,
        reported=request.args.get("reported", ""),
        report_reasons=reports.REASONS,
    )


def _own(session: Any, site: Site) -> Own | None:
    comment_id, hash_ = request.args.get("unapproved", ""), request.args.get("moderation-hash", "")
    number = parsing.whole_number(comment_id)
    if number is None or not hash_:
        return None
    return reading.own(session, site, number, hash_, web.secret())


def _all(items: list[Shown]) -> Iterator[Shown]:
    for item in items:
        yield item
        yield from _all(item.replies)


def _answered(items: list[Shown]) -> Shown | None:
    wanted = request.args.get("replytocom", "")
    return next((item for item in _all(items) if str(item.id) == wanted), None)


def _values(shown: Article, reply_to: Shown | None) -> dict[str, str]:
    values = {field: request.cookies.get(cookie, "") for field, cookie in SAVED.items()}
    if values["author"]:
        values["wp-comment-cookies-consent"] = "yes"
    return {
        **values,
        "comment_post_ID": shown.external_id,
        "comment_parent": str(reply_to.id) if reply_to is not None else "0",
    }


def _recent_line(line: reading.Recent, links: Links, language: str) -> dict[str, str]:
    """One line of the box; our own articles are linked by path, in the page's language."""
    fragment = f"#comment-{line.id}"
    path = urlsplit(line.story_url).path
    known = next((item for item in ARTICLES.values() if item.path == path), None)
    if known is None:
        return {"author_name": line.author_name, "title": line.story_title, "url": line.story_url + fragment}
    return {
        "author_name": line.author_name,
        "title": known.text(language).title,
        "url": links.story(known.path, fragment),
    }
