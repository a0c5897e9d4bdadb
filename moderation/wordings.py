"""What the house says by codes and in clauses, as English msgids: names of signals and reasons, fates of deliveries."""

from collections.abc import Mapping


def _(text: str) -> str:
    """Marks a sentence for the catalogue; it is translated where it is shown."""
    return text


def counted(n: int, one: str, many: str = "") -> str:
    """A number with what it counts, for the command line and the audit, which speak English: 1 comment, 2,000 comments.
    `many`: the form of several, where that is not the form of one with an s."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


SIGNAL_NAMES: Mapping[str, str] = {
    "toxicity": _("toxicity"),
    "severe_toxicity": _("severe toxicity"),
    "obscene": _("obscene"),
    "threat": _("threat"),
    "insult": _("insult"),
    "identity_attack": _("identity attack"),
    "sexual_explicit": _("sexual"),
    "spam": _("spam"),
}
"""Signal → msgid of its name (lower case, a noun)."""

REASON_NAMES: Mapping[str, str] = {
    "OFFENSIVE": _("Offensive"),
    "ABUSIVE": _("Abusive"),
    "SPAM": _("Spam"),
    "HATE_SPEECH": _("Hate speech"),
    "HARASSMENT_BULLYING": _("Harassment or bullying"),
    "ILLEGAL_CONTENT": _("Illegal content"),
    "OFF_TOPIC": _("Off topic"),
    "OTHER": _("Other"),
    "signal_over_hold": _("above the hold mark"),
    "signal_over_reject": _("above the reject mark"),
    "word_list": _("word list"),
    "links": _("links"),
    "phone": _("phone number"),
    "shortener": _("short link"),
    "messenger": _("link to a private chat"),
    "brand": _("brand with a number"),
    "burst_author": _("burst by one author"),
    "burst_network": _("burst from one network"),
    "burst_site": _("burst on the whole site"),
    "repeated_text": _("text that comes again"),
    "blocked_author": _("blocked author"),
    "blocked_domain": _("blocked domain"),
    "language_not_supported": _("no scorer speaks this language"),
    "not_scored": _("not scored"),
    "scorer_failed": _("the scorer failed"),
    "no_timing_token": _("form sent without its token"),
    "too_fast": _("form sent too fast"),
    "honeypot": _("hidden form field filled in"),
    "premoderation": _("this site holds everything"),
    "premoderated_section": _("this section holds everything"),
    "story_closed": _("the article takes no more comments"),
    "premoderated_story": _("this article holds everything"),
    "author_banned": _("banned author"),
    "author_held": _("author whose comments are all held"),
    "author_trusted": _("trusted author"),
    "new_author": _("new author"),
    "campaign_order": _("ordered for texts like this"),
    "hidden_text": _("hidden characters"),
    "styled_text": _("styled letters"),
    "site": _("held by the site"),
    "rescored": _("judged again"),
}
"""Reason code of a decision (upper case) or of a verdict (lower case) → msgid of its name."""


OBJECTIONS: Mapping[str, str] = {
    "too_few": _("There are too few decided comments to measure it."),
    "not_better": _("For no signal it ranks the decided comments better than the built-in, beyond chance."),
    "ranks_worse": _("%(signal)s: it ranks the decided comments worse (AUC %(change)s)."),
    "further_off": _("%(signal)s: its probabilities are further off (Brier score %(change)s)."),
    "holds_more": _(
        "%(signal)s: it would hold %(after)s of the comments that were approved without a person, "
        "and so far %(before)s are."
    ),
}
"""What the report of a version of a scorer says against it → msgid."""

DELIVERY_CLAUSES = (
    _("the connection timed out"),
    _("the connection was refused"),
    _("the receiver closed the connection without an answer"),
    _("the receiver cut the connection"),
    _("the name server did not answer in time"),
    _("the name has no address"),
    _("too many names are being looked up"),
    _("the site has no secret to sign with"),
    _("plain http goes only to the networks of MODERATION_DELIVERY_ALLOW; use https"),
    _("the URL is too long or holds a space, a backslash or a control character"),
    _("the URL cannot be read"),
    _("the URL is neither http nor https"),
    _("the URL holds a user name"),
    _("the URL has no usable port"),
    _("the URL holds half a character"),
    _("the URL has no host that all parsers read alike"),
)
"""What may become of a delivery without an answer (see delivery/egress.py and addresses.py); other clauses stay as they
are."""

OTHER_VERSION = _("%(scorer)s is %(here)s here; the run wants %(wanted)s.")

TROUBLES = (
    OTHER_VERSION,
    _("No Detoxify weights are installed; `moderation models install FILE` installs them."),
    _("The active Detoxify weights are %(here)s, not %(wanted)s."),
    _("The weights %(name)s are damaged: their files have another SHA-256."),
    _("The weights %(name)s cannot be read: %(why)s."),
    _("What runs Detoxify is not installed: pip install 'comment-moderation[detoxify]'."),
    _("There is no GPU here that torch can use; judge on the CPU instead (--device cpu)."),
    _("The site has no live newsroom layer; see: moderation scorers list"),
    _("There is no version %(wanted)s; see: moderation scorers list"),
    _("The built-in model %(name)s is missing; `moderation train` makes it."),
)
"""Why a run or a job cannot go on, as its row keeps it (in English, for programs and the command line): with places for
the values that stand there. Other sentences are looked up whole."""
