"""The pages of policies: what is live, its history, drafts with what they would have done, and threshold advice.

Everybody may read them; seniors and administrators draft and publish. Works without script.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, g, redirect, render_template, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from moderation import i18n, parsing, web
from moderation.accounts import auth, moderators, sites
from moderation.comments import authors
from moderation.db import utcnow
from moderation.errors import Conflict, InvalidInput, MalformedInput
from moderation.policy import changes, drafts, store
from moderation.policy.defaults import DEFAULT_DOCUMENT
from moderation.policy.document import BURSTS, MODES, MOST, parse
from moderation.policy.models import PolicyDraft
from moderation.rescoring import advice, columns, simulator
from moderation.review import charts, queue
from moderation.signals import SIGNALS

policy_pages = Blueprint("policy_pages", __name__, url_prefix="/policies")

LAST = (10_000, 50_000, 100_000)
"""How many comments the page offers to look at."""
PRECISIONS = (0.5, 0.6, 0.7, 0.8, 0.9)

NO_NUMBER = "A mark must lie between 0 and 1."
NOT_COMPLETE = "The form is not complete; load the page again."
NO_COUNT = "Links and comments are counted in whole numbers."
HOLD_FIRST = "A band is {hold, reject}, hold required."


@policy_pages.get("")
@auth.login_required
def listing() -> Response:
    """My sites with what their policies say in short."""
    with web.database().reading() as session:
        mine = sites.of_ids(session, g.site_ids)
        lines = [(site, *store.live_document(session, site.id), drafts.of_site(session, site.id)) for site in mine]
        return _page(session, "policy/list.html", lines=lines)


@policy_pages.get("/<int:site_id>")
@auth.login_required
def site_page(site_id: int) -> Response:
    """A site's live policy, its history and its drafts."""
    with web.database().reading() as session:
        site = sites.among(session, g.site_ids, site_id)
        versions = drafts.history(session, site_id)
        pairs = zip(versions, [*versions[1:], None], strict=True)
        return _page(
            session,
            "policy/site.html",
            site=site,
            document=versions[0].document,
            versions=[(one, [] if old is None else changes.between(old.document, one.document)) for one, old in pairs],
            open=drafts.of_site(session, site_id),
        )


@policy_pages.get("/<int:site_id>/diff")
@auth.login_required
def difference(site_id: int) -> Response:
    """What differs between two versions."""
    old, new = web.query_int("old", 0, 0, 10**9), web.query_int("new", 0, 0, 10**9)
    with web.database().reading() as session:
        site = sites.among(session, g.site_ids, site_id)
        one, other = drafts.version_of(session, site_id, old), drafts.version_of(session, site_id, new)
        found = changes.between(one.document, other.document)
        return _page(session, "policy/diff.html", site=site, old=old, new=new, changes=found)


@policy_pages.get("/<int:site_id>/advice")
@auth.login_required
def advice_page(site_id: int) -> Response:
    """Threshold advice for every signal, with its curve."""
    given = request.args.get("precision", str(advice.USUAL_PRECISION))
    wanted = next((share for share in PRECISIONS if str(share) == given), advice.USUAL_PRECISION)
    with web.database().reading() as session:
        site = sites.among(session, g.site_ids, site_id)
        found = advice.of_all(columns.load(session, site, columns.MOST, utcnow()), wanted)
        drawn = [
            (
                item,
                charts.line([point.precision for point in item.curve], 1.0, wanted),
                charts.line([point.recall for point in item.curve], 1.0),
            )
            if item.curve
            else (item, None, None)
            for item in found
        ]
        return _page(
            session,
            "policy/advice.html",
            site=site,
            wanted=wanted,
            precisions=PRECISIONS,
            advice=drawn,
            least=advice.LEAST,
            least_of_each=advice.LEAST_OF_EACH,
        )


@policy_pages.post("/<int:site_id>/drafts")
@auth.seniors_only
@auth.csrf_required
def begin(site_id: int) -> AnyResponse:
    """Begin a draft from the live policy."""
    with web.database().transaction() as session:
        sites.among(session, g.site_ids, site_id)
        made = drafts.create(
            session, site_id, by=moderators.actor(g.me), now=utcnow(), name=request.form.get("name", "")
        )
    return redirect(f"/policies/drafts/{made.id}", 303)


@policy_pages.get("/<int:site_id>/revert")
@auth.seniors_only
def revert_page(site_id: int) -> Response:
    """Ask once more before an old version is published again."""
    version = web.query_int("version", 0, 0, 10**9)
    with web.database().reading() as session:
        site = sites.among(session, g.site_ids, site_id)
        live, latest = store.live_document(session, site_id)
        found = changes.between(live, drafts.version_of(session, site_id, version).document)
        return _page(session, "policy/revert.html", site=site, version=version, live_version=latest, changes=found)


@policy_pages.post("/<int:site_id>/revert")
@auth.seniors_only
@auth.csrf_required
def revert(site_id: int) -> AnyResponse:
    """Publish an old version once more."""
    with web.database().transaction() as session:
        sites.among(session, g.site_ids, site_id)
        number, seen = _number("version"), _number("seen_live")
        drafts.revert(session, site_id, number, by=moderators.actor(g.me), now=utcnow(), seen_live=seen)
    return redirect(f"/policies/{site_id}", 303)


@policy_pages.get("/drafts/<int:draft_id>")
@auth.login_required
def draft_page(draft_id: int) -> Response:
    """A draft's form, and beside it what it would have done."""
    with web.database().reading() as session:
        return _draft_page(session, drafts.get(session, g.site_ids, draft_id))


@policy_pages.post("/drafts/<int:draft_id>")
@auth.seniors_only
@auth.csrf_required
def save(draft_id: int) -> AnyResponse:
    """Save the form and compute anew; what is wrong stands on the page, and what was written is kept."""
    document: Mapping[str, Any] | None = None
    try:
        with web.database().transaction() as session:
            draft = _mine(session, draft_id)
            document = _document(draft.site_id, draft.document)
            name, seen = request.form.get("name"), _seen()
            drafts.edit(session, draft, document, now=utcnow(), name=name, seen=seen)
    except (InvalidInput, Conflict) as error:
        with web.database().reading() as session:
            draft = drafts.get(session, g.site_ids, draft_id)
            return _draft_page(session, draft, wrong=error, given=document)
    last = _number("last") if request.form.get("last") else simulator.USUAL
    return redirect(f"/policies/drafts/{draft_id}?last={last}", 303)


@policy_pages.get("/drafts/<int:draft_id>/publish")
@auth.seniors_only
def publish_page(draft_id: int) -> Response:
    """Ask once more before a draft goes live: what changes, and what that would have done."""
    with web.database().reading() as session:
        draft = drafts.get(session, g.site_ids, draft_id)
        site = sites.among(session, g.site_ids, draft.site_id)
        live, version = store.live_document(session, draft.site_id)
        made = simulator.simulate(session, site, parse(live, version), parse(draft.document), now=utcnow(), samples=0)
        found = changes.between(live, draft.document)
        return _page(
            session, "policy/publish.html", site=site, draft=draft, live_version=version, sim=made, changes=found
        )


@policy_pages.post("/drafts/<int:draft_id>/publish")
@auth.seniors_only
@auth.csrf_required
def publish(draft_id: int) -> AnyResponse:
    """Make a draft the next version."""
    with web.database().transaction() as session:
        draft = _mine(session, draft_id)
        seen_live = _number("seen_live")
        drafts.publish(session, draft, by=moderators.actor(g.me), now=utcnow(), seen=_seen(), seen_live=seen_live)
        site_id = draft.site_id
    return redirect(f"/policies/{site_id}", 303)


@policy_pages.post("/drafts/<int:draft_id>/shadow")
@auth.seniors_only
@auth.csrf_required
def shadow(draft_id: int) -> AnyResponse:
    """Switch a draft's shadow on or off."""
    with web.database().transaction() as session:
        draft = _mine(session, draft_id)
        drafts.set_shadow(session, draft, request.form.get("shadow") == "on", by=moderators.actor(g.me), now=utcnow())
    return redirect(f"/policies/drafts/{draft_id}", 303)


@policy_pages.post("/drafts/<int:draft_id>/discard")
@auth.seniors_only
@auth.csrf_required
def discard(draft_id: int) -> AnyResponse:
    """Throw a draft away."""
    with web.database().transaction() as session:
        draft = _mine(session, draft_id)
        site_id = draft.site_id
        drafts.discard(session, draft, by=moderators.actor(g.me), now=utcnow())
    return redirect(f"/policies/{site_id}", 303)


def _draft_page(
    session: Session,
    draft: PolicyDraft,
    *,
    wrong: InvalidInput | Conflict | None = None,
    given: Mapping[str, Any] | None = None,
) -> Response:
    site = sites.among(session, g.site_ids, draft.site_id)
    live, version = store.live_document(session, draft.site_id)
    asked = web.query_int("last", simulator.USUAL, 1, columns.MOST)
    seen = columns.load(session, site, asked, utcnow())
    made = simulator.of_columns(session, seen, parse(live, version), parse(draft.document))
    spreads = {(mark.scorer, mark.signal): charts.bars([("c-calm", _log(mark.spread))]) for mark in made.marks}
    scorers = dict.fromkeys([*DEFAULT_DOCUMENT["bands"], *draft.document.get("bands", {}), *seen.scorers])
    return _page(
        session,
        "policy/draft.html",
        status=200 if wrong is None else wrong.status,
        site=site,
        draft=draft,
        document=given or draft.document,
        wrong=None if wrong is None else (i18n.said(wrong), wrong.field),
        live_version=version,
        changes=changes.between(live, draft.document),
        sim=made,
        last=asked,
        offered=LAST,
        spreads=spreads,
        scorers=[name for name in scorers if name in seen.scorers or name in draft.document.get("bands", {})],
        signals=SIGNALS,
        modes=MODES,
        advice=advice.of_all(seen, advice.USUAL_PRECISION),
        tally=drafts.tally(session, draft.id),
    )


def _log(spread: Any) -> list[int]:
    """Bars on a logarithmic scale: most scores are low, and the few high ones are what marks are about."""
    return [int(n).bit_length() for n in spread]


def _page(session: Session, template: str, status: int = 200, **values: Any) -> Response:
    html = render_template(
        template,
        counts=queue.counts(session, g.site_ids, g.me, utcnow()),
        senior=moderators.is_senior(g.me),
        bursts=BURSTS,
        most=MOST,
        **values,
    )
    return Response(html, status=status, mimetype="text/html")


def _mine(session: Session, draft_id: int) -> PolicyDraft:
    me = auth.current(session)  # as it is in the transaction of the deed
    return drafts.get(session, moderators.site_ids(session, me), draft_id, lock=True)


def _number(name: str) -> int:
    number = parsing.whole_number(request.form.get(name, ""))
    if number is None:
        raise MalformedInput(NOT_COMPLETE, field=name)
    return number


def _seen() -> datetime:
    try:
        return datetime.fromisoformat(request.form.get("seen", ""))
    except ValueError:
        raise MalformedInput(NOT_COMPLETE, field="seen") from None


def _document(site_id: int, old: Mapping[str, Any]) -> dict[str, Any]:
    """The document that the form describes; bands of scorers that it does not show stay. Raises InvalidInput."""
    form = request.form
    bands = {scorer: dict(signals) for scorer, signals in old.get("bands", {}).items()}
    for name in form:
        kind, _, rest = name.partition(".")
        scorer, _, signal = rest.partition(".")
        if kind != "hold" or signal not in SIGNALS:
            continue
        hold, reject = _mark(name), _mark(f"reject.{rest}")
        if hold is None and reject is not None:
            raise InvalidInput(HOLD_FIRST, field=f"bands.{rest}")
        mine = bands.setdefault(scorer, {})
        if hold is None:
            mine.pop(signal, None)
        else:
            mine[signal] = {"hold": hold} if reject is None else {"hold": hold, "reject": reject}
    lists = []
    for number in range(len(old.get("word_lists", ())) + 1):
        words = _lines(f"words.{number}")
        if words:
            listed = {"name": form.get(f"words_name.{number}", "").strip(), "words": words}
            lists.append({**listed, "action": form.get(f"words_action.{number}", "hold")})
    return {
        "mode": form.get("mode", ""),
        "auto_reject": form.get("auto_reject") == "on",
        "max_links": _count("max_links", old.get("max_links", 2)),
        **{name: _count(name, old.get(name, usual)) for name, usual in BURSTS.items()},
        "new_author": form.get("new_author") == "on",
        "bands": bands,
        "word_lists": lists,
        "blocked_authors": [hashed(site_id, line) for line in _lines("blocked_authors")],
        "blocked_domains": _lines("blocked_domains"),
    }


def _count(name: str, old: int) -> int:
    """A whole number, `old` where the form does not ask for it; whether it is too great, the policy says."""
    if name not in request.form:
        return old
    written = parsing.whole_number(request.form[name].strip(), 6)
    if written is None:
        raise InvalidInput(NO_COUNT, field=name)
    return written


def _mark(name: str) -> float | None:
    text = request.form.get(name, "").strip().replace(",", ".")
    try:
        return float(text) if text else None
    except ValueError:
        raise InvalidInput(NO_NUMBER, field=name) from None


def _lines(name: str) -> list[str]:
    return [line.strip() for line in request.form.get(name, "").splitlines() if line.strip()]


def hashed(site_id: int, entry: str) -> str:
    """An e-mail is kept as its keyed hash only."""
    if not entry.startswith("email:"):
        return entry
    return f"email_hash:{authors.email_hash(web.secret(), site_id, entry.removeprefix('email:'))}"
