"""A wrong setting is refused at start, in one sentence that names it."""

from pathlib import Path

import pytest

from moderation.errors import SettingsError
from moderation.settings import Settings, load

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "eighty"),
        ("PORT", "0"),
        ("MODERATION_SCORER", "best"),
        ("MODERATION_DELIVERY_ALLOW", "10.0.0.1/8"),
        ("MODERATION_DATABASE_URL", "mysql://x"),
        ("MODERATION_BROKER_URL", "sqla+sqlite:///x"),
        ("MODERATION_PUBLIC_URL", "example.org"),
        ("MODERATION_DEMO", "perhaps"),
        ("MODERATION_SWEEP_SECONDS", "1.5"),
        ("MODERATION_TYPO", "1"),
    ],
)
def test_a_wrong_setting_is_refused_and_named(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as error:
        load({name: value})
    assert name in error.value.message
    assert error.value.message.count("\n") == 0


def test_a_secret_is_not_repeated_in_its_own_refusal(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load({"MODERATION_SECRET_KEY": "tooshort", "MODERATION_DATA_DIR": str(tmp_path)}).key()
    assert "tooshort" not in error.value.message


def test_defaults_make_an_embedded_installation() -> None:
    settings = load({})
    assert settings.embedded
    assert settings.database.startswith("sqlite:///")
    assert settings.base_url == "http://127.0.0.1:8000"
    assert settings.delivery_allow == ()


def test_postgresql_addresses_get_their_driver() -> None:
    settings = load({"MODERATION_DATABASE_URL": "postgresql://u@h/db", "MODERATION_BROKER_URL": "amqp://h"})
    assert settings.database == "postgresql+psycopg://u@h/db"
    assert not settings.embedded


def test_the_secret_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    settings = load({"MODERATION_DATA_DIR": str(tmp_path)})
    first = settings.key()
    assert len(first) >= 32
    assert settings.key() == first
    assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    from dataclasses import fields

    from moderation.settings import variable

    for item in fields(Settings):
        assert f"`{variable(item.name)}`" in text, f"{variable(item.name)} is missing in docs/settings.md"
