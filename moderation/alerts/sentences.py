"""What an alert says, in both languages: what is wrong, what is safe all the same, what to do. Nothing of readers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from babel import numbers

from moderation.alerts import conditions as kinds
from moderation.alerts.models import Alert
from moderation.alerts.store import News

MOST_ITEMS = 20
"""Items of one message; a message about forty sites is read by nobody."""
LONGEST_SUBJECT = 150

ORDER = (
    kinds.SCORER_GONE,
    kinds.DELIVERY_GONE,
    kinds.SCORER_OFF,
    kinds.NOT_SCORED,
    kinds.DELIVERIES_LATE,
    kinds.ENDPOINT_GONE,
    kinds.ENDPOINT_PAUSED,
    kinds.DELIVERIES_DEAD,
    kinds.HELD_LATE,
    kinds.QUEUE_GROWS,
)
"""Kinds in the order of a message: what harms all sites comes first."""

LINKS: Mapping[str, str] = {
    kinds.SCORER_GONE: "/queue",
    kinds.DELIVERY_GONE: "/deliveries",
    kinds.SCORER_OFF: "/queue",
    kinds.NOT_SCORED: "/queue?tab=not_scored",
    kinds.DELIVERIES_LATE: "/deliveries",
    kinds.ENDPOINT_GONE: "/deliveries",
    kinds.ENDPOINT_PAUSED: "/deliveries",
    kinds.DELIVERIES_DEAD: "/deliveries",
    kinds.HELD_LATE: "/queue",
    kinds.QUEUE_GROWS: "/queue",
}


@dataclass(frozen=True, slots=True)
class Message:
    """A finished message: one line, and plain text."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Sentences:
    """One kind of alert in one language; the names in braces are its facts, written for people."""

    wrong: str
    safe: str
    todo: str
    over: str


@dataclass(frozen=True, slots=True)
class Words:
    """The frame of a message in one language."""

    service: str
    begun: str
    lasting: str
    over: str
    since: str
    several: str
    recovered: str
    several_recovered: str
    more: str
    foot: str
    again: str
    test_subject: str
    test: str
    minutes: str
    hours: str
    days: str


TEXTS: Mapping[str, Mapping[str, Sentences]] = {
    "id": {
        kinds.HELD_LATE: Sentences(
            "{site}: komentar tertua sudah menunggu {waited} (batas {limit}); yang menunggu: {held}",
            "Semuanya tersimpan, dan tidak ada yang tampil sebelum diputuskan.",
            "Buka antrean dan putuskan yang tertua lebih dulu.",
            "{site}: tidak ada lagi komentar yang menunggu terlalu lama",
        ),
        kinds.QUEUE_GROWS: Sentences(
            "{site}: antrean bertambah dari {before} menjadi {held} komentar dalam satu jam",
            "Semuanya tersimpan, dan tidak ada yang tampil sebelum diputuskan.",
            "Lihat apakah ada serbuan spam atau satu artikel yang ramai; bila perlu, minta bantuan moderator lain.",
            "{site}: antrean tidak lagi bertambah cepat",
        ),
        kinds.ENDPOINT_PAUSED: Sentences(
            "{site}: penerima {host} berulang kali gagal, pengiriman kepadanya dijeda",
            "Tidak ada keputusan yang hilang: semuanya menunggu di sini dan dikirim begitu penerima menjawab lagi.",
            "Periksa situsnya: apakah server berjalan, alamat dan sertifikatnya benar?",
            "{site}: pengiriman ke {host} tidak lagi dijeda",
        ),
        kinds.ENDPOINT_GONE: Sentences(
            "{site}: penerima {host} menjawab 410 (sudah tidak ada), pengiriman kepadanya dihentikan",
            "Tidak ada keputusan yang hilang: semuanya tersimpan di sini.",
            "Perbaiki penerima atau ganti alamatnya, lalu aktifkan kembali.",
            "{site}: penerima {host} tidak lagi dihentikan",
        ),
        kinds.DELIVERIES_DEAD: Sentences(
            "{site}: pengiriman yang gagal tetap dalam 7 hari terakhir: {deliveries}",
            "Keputusannya tersimpan di sini; hanya situs yang belum diberi tahu.",
            "Perbaiki penerima, lalu kirim ulang.",
            "{site}: tidak ada lagi pengiriman yang gagal tetap dalam 7 hari terakhir",
        ),
        kinds.DELIVERIES_LATE: Sentences(
            "{site}: pengiriman terlambat {waited}",
            "Semuanya tersimpan dan tetap akan dikirim.",
            "Jalankan `moderation doctor` di server: apakah proses pengiriman berjalan, dan cukup banyak?",
            "{site}: pengiriman kembali tepat waktu",
        ),
        kinds.SCORER_GONE: Sentences(
            "Penilai {scorer} tidak memberi tanda kehidupan",
            "Komentar tetap diterima dan disimpan; yang tidak dinilai menunggu moderator dan tidak tampil.",
            "Jalankan `moderation doctor` di server dan baca log proses penilai.",
            "Penilai {scorer} bekerja lagi",
        ),
        kinds.DELIVERY_GONE: Sentences(
            "Proses pengiriman tidak memberi tanda kehidupan: situs tidak diberi tahu",
            "Keputusan tersimpan dan dikirim begitu prosesnya berjalan lagi.",
            "Jalankan `moderation doctor` di server dan baca log proses pengiriman.",
            "Proses pengiriman bekerja lagi",
        ),
        kinds.SCORER_OFF: Sentences(
            "Tidak ada penilai yang aktif: setiap komentar menunggu moderator",
            "Komentar tetap diterima dan disimpan; tidak ada yang tampil sebelum diputuskan.",
            "Bila ini tidak disengaja, ubah MODERATION_SCORER lalu mulai ulang layanan.",
            "Penilai aktif lagi",
        ),
        kinds.NOT_SCORED: Sentences(
            "Komentar yang ditahan tanpa dinilai dalam 10 menit terakhir: {comments}",
            "Semuanya tersimpan, dan tidak ada yang tampil sebelum diputuskan.",
            "Jalankan `moderation doctor` di server; sementara itu putuskan sendiri yang belum dinilai.",
            "Komentar kembali dinilai sebelum batas waktunya",
        ),
    },
    "en": {
        kinds.HELD_LATE: Sentences(
            "{site}: the oldest comment has been waiting for {waited} (limit {limit}); comments waiting: {held}",
            "All of them are stored, and none is shown before it is decided.",
            "Open the queue and decide the oldest first.",
            "{site}: no comment waits too long any more",
        ),
        kinds.QUEUE_GROWS: Sentences(
            "{site}: the queue grew from {before} to {held} comments within an hour",
            "All of them are stored, and none is shown before it is decided.",
            "See whether it is a wave of spam or one busy article; ask other moderators for help if need be.",
            "{site}: the queue has stopped growing fast",
        ),
        kinds.ENDPOINT_PAUSED: Sentences(
            "{site}: the receiver {host} failed again and again, deliveries to it are paused",
            "No decision is lost: all of them wait here and are sent as soon as the receiver answers again.",
            "Look at the site: is its server running, are address and certificate right?",
            "{site}: deliveries to {host} are no longer paused",
        ),
        kinds.ENDPOINT_GONE: Sentences(
            "{site}: the receiver {host} answered 410 (gone), deliveries to it have stopped",
            "No decision is lost: all of them are stored here.",
            "Mend the receiver or change its address, then enable it again.",
            "{site}: the receiver {host} is no longer stopped",
        ),
        kinds.DELIVERIES_DEAD: Sentences(
            "{site}: deliveries given up in the last 7 days: {deliveries}",
            "The decisions are stored here; only the site has not been told.",
            "Mend the receiver, then send them again.",
            "{site}: no delivery of the last 7 days is given up any more",
        ),
        kinds.DELIVERIES_LATE: Sentences(
            "{site}: deliveries are {waited} late",
            "All of them are stored and will be sent.",
            "Run `moderation doctor` on the server: do delivery workers run, and enough of them?",
            "{site}: deliveries are on time again",
        ),
        kinds.SCORER_GONE: Sentences(
            "No sign of life of the scorer {scorer}",
            "Comments are still taken and stored; those that are not scored wait for a moderator and are not shown.",
            "Run `moderation doctor` on the server and read the scoring worker's log.",
            "The scorer {scorer} works again",
        ),
        kinds.DELIVERY_GONE: Sentences(
            "No sign of life of the delivery worker: sites are not told",
            "Decisions are stored and are sent as soon as the worker runs again.",
            "Run `moderation doctor` on the server and read the delivery worker's log.",
            "The delivery worker works again",
        ),
        kinds.SCORER_OFF: Sentences(
            "No scorer is on: every comment waits for a moderator",
            "Comments are still taken and stored; none is shown before it is decided.",
            "If this is not on purpose, change MODERATION_SCORER and restart the service.",
            "A scorer is on again",
        ),
        kinds.NOT_SCORED: Sentences(
            "Comments held without a score in the last 10 minutes: {comments}",
            "All of them are stored, and none is shown before it is decided.",
            "Run `moderation doctor` on the server; until then decide the unscored ones yourselves.",
            "Comments are scored in time again",
        ),
    },
}

WORDS: Mapping[str, Words] = {
    "id": Words(
        service="Moderasi",
        begun="Perlu perhatian",
        lasting="Masih berlangsung",
        over="Sudah pulih",
        since="berlangsung selama {span}",
        several="{count} hal perlu perhatian",
        recovered="Pulih: {what}",
        several_recovered="{count} hal sudah pulih",
        more="… dan {count} lagi; `moderation alerts list` di server menampilkan semuanya.",
        foot="Dari layanan moderasi komentar di {url}.",
        again="Selama keadaannya berlangsung, pesan ini diulang paling cepat setiap {repeat}.",
        test_subject="Pesan uji coba",
        test="Ini pesan uji coba: tidak ada yang salah, dan tidak ada yang perlu dilakukan.\n\n"
        "Peringatan layanan moderasi akan datang lewat jalan yang sama.",
        minutes="{minutes} menit",
        hours="{hours} jam",
        days="{days} hari",
    ),
    "en": Words(
        service="Moderation",
        begun="Needs attention",
        lasting="Still going on",
        over="All clear",
        since="going on for {span}",
        several="{count} things need attention",
        recovered="All clear: {what}",
        several_recovered="All clear: {count} things",
        more="… and {count} more; `moderation alerts list` on the server shows them all.",
        foot="From the comment moderation service at {url}.",
        again="While this lasts, you are told again after {repeat} at the earliest.",
        test_subject="Test message",
        test="This is a test message: nothing is wrong, and nothing needs to be done.\n\n"
        "Alerts of the moderation service will come the same way.",
        minutes="{minutes} min",
        hours="{hours} h",
        days="{days} d",
    ),
}


def compose(news: News, language: str, base_url: str, now: datetime, repeat_minutes: int) -> Message:
    """One message of all that a channel's people should hear: the wrong first, what is over last."""
    words = WORDS[language]
    room = MOST_ITEMS
    blocks = []
    for title, alerts in ((words.begun, news.begun), (words.lasting, news.lasting)):
        shown = _sorted(alerts)[:room]
        room -= len(shown)
        if shown:
            blocks += [
                title.upper(),
                *(_item(alert, language, base_url, now, alerts is news.lasting) for alert in shown),
            ]
    shown = _sorted(news.over)[:room]
    if shown:
        blocks += [words.over.upper(), *(f"- {over(alert, language)}" for alert in shown)]
    rest = len(news.begun) + len(news.lasting) + len(news.over) - (MOST_ITEMS - room + len(shown))
    if rest:
        blocks.append(words.more.format(count=number(rest, language)))
    foot = words.foot.format(url=base_url)
    if news.begun or news.lasting:
        foot += " " + words.again.format(repeat=duration(repeat_minutes, language))
    blocks.append(f"-- \n{foot}")
    return Message(_subject(news, language, base_url), "\n\n".join(blocks) + "\n")


def test_message(language: str, base_url: str) -> Message:
    """What `moderation alerts test` sends."""
    words = WORDS[language]
    return Message(
        _headed(words.test_subject, language, base_url),
        f"{words.test}\n\n-- \n{words.foot.format(url=base_url)}\n",
    )


def wrong(alert: Alert, language: str) -> str:
    """What is wrong, in one clause."""
    return TEXTS[language][alert.kind].wrong.format_map(_facts(alert, language))


def over(alert: Alert, language: str) -> str:
    """That it is over, in one clause."""
    return TEXTS[language][alert.kind].over.format_map(_facts(alert, language))


def number(value: int, language: str) -> str:
    """A whole number, grouped: 1.284 in Indonesian, 1,284 in English."""
    return str(numbers.format_decimal(value, locale=language))


def duration(minutes: int, language: str) -> str:
    """A span of time in its two largest units: 1 jam 15 menit, 2 hari 3 jam."""
    words = WORDS[language]
    hours, rest = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        words.days.format(days=number(days, language)) if days else "",
        words.hours.format(hours=hours) if hours else "",
        words.minutes.format(minutes=rest) if (rest and not days) or minutes == 0 else "",
    ]
    return " ".join(part for part in parts if part)


def _item(alert: Alert, language: str, base_url: str, now: datetime, lasting: bool) -> str:
    texts = TEXTS[language][alert.kind]
    since = ""
    if lasting and alert.since is not None:
        minutes = int((now - alert.since).total_seconds() // 60)
        since = f" ({WORDS[language].since.format(span=duration(minutes, language))})"
    return f"- {wrong(alert, language)}{since}\n  {texts.safe}\n  {texts.todo}\n  {base_url}{LINKS[alert.kind]}"


class _Shown(dict[str, str]):
    """Facts by name. One that an older version did not store must not keep a message from leaving."""

    def __missing__(self, name: str) -> str:
        return "?"


def _facts(alert: Alert, language: str) -> _Shown:
    """The facts as people read them; `waited_minutes` becomes `waited`."""
    shown = _Shown()
    for name, value in alert.facts.items():
        shown[name.removesuffix("_minutes")] = _shown(name, value, language)
    return shown


def _shown(name: str, value: Any, language: str) -> str:
    if isinstance(value, int):
        return duration(value, language) if name.endswith("_minutes") else number(value, language)
    return " ".join(str(value).split())  # a name must not break a line, least of all the subject's


def _subject(news: News, language: str, base_url: str) -> str:
    words = WORDS[language]
    open_alerts = [*news.begun, *news.lasting]
    if len(open_alerts) == 1:
        text = wrong(open_alerts[0], language)
    elif open_alerts:
        text = words.several.format(count=number(len(open_alerts), language))
    elif len(news.over) == 1:
        text = words.recovered.format(what=over(news.over[0], language))
    else:
        text = words.several_recovered.format(count=number(len(news.over), language))
    return _headed(text, language, base_url)


def _headed(text: str, language: str, base_url: str) -> str:
    line = f"[{WORDS[language].service} {urlsplit(base_url).netloc}] {text}"
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1] + "…"


def _sorted(alerts: Sequence[Alert]) -> list[Alert]:
    return sorted(alerts, key=lambda alert: (ORDER.index(alert.kind), str(alert.facts.get("site", "")), alert.id))
