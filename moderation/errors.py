"""What the house refuses: each error knows its code and the field it names; the doors turn it into an answer."""

from collections.abc import Iterable, Mapping


class ModerationError(Exception):
    """The root of all errors that the house raises on purpose.

    `code` is stable and for programs; the message is one sentence for people; `field` names what was wrong in the
    input (dotted, `author.email`), where it was the input; `status` is the HTTP status that the web door answers with.
    A sentence that says more than words has places, `%(most)s`, for `values`: so a page can say it in its own language
    (`i18n.said`), while the message is the English one.
    """

    code = "error"
    status = 400

    def __init__(
        self,
        sentence: str,
        *,
        field: str | None = None,
        details: Mapping[str, object] | None = None,
        values: Mapping[str, str | int] | None = None,
    ) -> None:
        self.sentence, self.values = sentence, dict(values or {})
        self.message = sentence % self.values if self.values else sentence
        super().__init__(self.message)
        self.field = field
        self.details = dict(details or {})


class InvalidInput(ModerationError):
    """The input is understood and wrong; it names the field."""

    code = "invalid_input"
    status = 422


NOT_AMONG = "%(name)s must be one of %(among)s."


def not_among(name: str, among: Iterable[str], *, field: str | None = None) -> InvalidInput:
    """The error of a value that is none of a few; `field` is its whole path where that is not its name."""
    return InvalidInput(NOT_AMONG, field=field or name, values={"name": name, "among": ", ".join(among)})


class MalformedInput(ModerationError):
    """The input cannot be read at all: not UTF-8, not JSON, too deep, doubled keys."""

    code = "malformed_input"
    status = 400


class TooLarge(ModerationError):
    """A body or a field is over its documented limit."""

    code = "too_large"
    status = 413


class NotAuthenticated(ModerationError):
    """No key, a wrong key, a wrong signature, no session."""

    code = "not_authenticated"
    status = 401


class NotAllowed(ModerationError):
    """Known, but not allowed to do this."""

    code = "not_allowed"
    status = 403


class NotFound(ModerationError):
    """No such thing, or it belongs to somebody else."""

    code = "not_found"
    status = 404


class Conflict(ModerationError):
    """Somebody was first: the details say who, what and when."""

    code = "conflict"
    status = 409


class TooMany(ModerationError):
    """Too fast; `retry_after` (s) is in the details."""

    code = "too_many"
    status = 429


class SettingsError(ModerationError):
    """A setting is wrong: the process refuses to start and says so in one sentence."""

    code = "wrong_setting"
    status = 500


class Unavailable(ModerationError):
    """The database or a needed part is away; try again."""

    code = "unavailable"
    status = 503
