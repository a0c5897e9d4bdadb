"""Alerts are configured rightly or not at all: a wrong address is refused in one sentence without the password."""

from typing import Any

import pytest

from moderation.errors import SettingsError
from moderation.settings import MailServer, load, mail_server, variable

SECRET = "rahasia7"


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("smtp://mail.warta.example", MailServer("mail.warta.example", 587, "starttls", "", "")),
        ("smtp://mail.warta.example:25?tls=none", MailServer("mail.warta.example", 25, "none", "", "")),
        (
            "smtps://rani:p%40ss%2F@mail.warta.example",
            MailServer("mail.warta.example", 465, "implicit", "rani", "p@ss/"),
        ),
        ("smtp://rani%40warta.example:x@[::1]:25?tls=none", MailServer("::1", 25, "none", "rani@warta.example", "x")),
    ],
)
def test_a_mail_server_is_read_with_tls_unless_it_is_declined(text: str, server: MailServer) -> None:
    assert mail_server(text) == server


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODERATION_SMTP_URL", f"http://rani:{SECRET}@mail.example"),
        ("MODERATION_SMTP_URL", f"smtp://rani:{SECRET}#@mail.example:587"),
        ("MODERATION_SMTP_URL", f"smtp://rani:{SECRET}@mail.example:70000"),
        ("MODERATION_SMTP_URL", f"smtp://rani:{SECRET}@mail.example:{SECRET}"),
        ("MODERATION_SMTP_URL", f"smtp://rani:{SECRET}@[mail.example"),
        ("MODERATION_SMTP_URL", f"smtp://rani:{SECRET}@mail.example?tls=perhaps"),
        ("MODERATION_SMTP_URL", f"smtp://rani:{SECRET}@mail.example?tsl=none"),
        ("MODERATION_SMTP_URL", f"smtps://rani:{SECRET}@mail.example?tls=none"),
        ("MODERATION_SMTP_URL", f"smtp://rani:{SECRET}@mail.example?tls=none"),
        ("MODERATION_SMTP_URL", f"smtp://:{SECRET}@mail.example"),
        ("MODERATION_SMTP_URL", f"smtp://rani:{SECRET}@"),
        ("MODERATION_ALERT_WEBHOOK", f"hooks.example/{SECRET}"),
        ("MODERATION_ALERT_WEBHOOK", f"https://hooks.example:{SECRET}/"),
        ("MODERATION_ALERT_WEBHOOK", f"https://rani:{SECRET}@hooks.example/"),
        ("MODERATION_ALERT_TO", "redaksi"),
        ("MODERATION_ALERT_TO", "a@warta.example, Rani <b@warta.example>"),
        ("MODERATION_ALERT_FROM", "a@warta.example\r\nBcc: b@warta.example"),
        ("MODERATION_ALERT_LANGUAGE", "de"),
        ("MODERATION_ALERT_REPEAT_MINUTES", "0"),
        ("MODERATION_ALERT_HELD_MINUTES", "-1"),
    ],
)
def test_a_wrong_alert_setting_is_refused_and_named_without_its_secret(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        load({name: value})
    assert error.value.message.startswith(name)
    assert SECRET not in error.value.message
    assert "\n" not in error.value.message


def test_what_the_supervisor_hands_to_its_children_reads_as_the_same_settings() -> None:
    from moderation.supervisor import environment

    given: dict[str, Any] = {
        "MODERATION_SMTP_URL": "smtp://rani%40warta.example:p%2Fq@mail.warta.example:587?tls=starttls",
        "MODERATION_ALERT_TO": "a@warta.example,b@warta.example",
        "MODERATION_ALERT_WEBHOOK": "https://hooks.example/T0/B0",
    }
    settings = load(given)
    assert load(environment(settings)) == settings
    assert settings.alert_to == ("a@warta.example", "b@warta.example")
    assert variable("smtp_url") in given
