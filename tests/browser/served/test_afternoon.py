"""docs/connect.md, "An afternoon", followed as it stands: its page, its receiver, its commands, only other ports."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bench.product import add_site, free_port, listens

from .conftest import Product

pytestmark = [pytest.mark.flow, pytest.mark.browser]

TEXT = (Path(__file__).parents[3] / "docs" / "connect.md").read_text()
AFTERNOON = TEXT.partition("## An afternoon")[2].partition("\n## ")[0]


def block(language: str) -> str:
    """The one code block of a language in the afternoon."""
    found = re.findall(rf"```{language}\n(.*?)```", AFTERNOON, re.S)
    assert len(found) == 1
    return str(found[0])


@pytest.fixture
def ports(product: Product) -> dict[str, int]:
    """The ports of the text, and those that are free here. The service has the variable that the text names."""
    assert "MODERATION_DELIVERY_ALLOW=127.0.0.0/8 make run" in AFTERNOON
    assert product.env["MODERATION_DELIVERY_ALLOW"] == "127.0.0.0/8"
    return {"8000": product.port, "9000": free_port(), "9001": free_port()}


def wait_for(line: str, log: Path, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while line not in log.read_text():
        assert time.monotonic() < until, f"{line!r} is not in {log.read_text()!r}"
        time.sleep(0.05)


def test_a_new_user_follows_the_afternoon_and_hears_the_first_decision(
    product: Product, ports: dict[str, int], tmp_path: Path, chromium: Browser
) -> None:
    def here(text: str) -> str:
        for number, port in ports.items():
            text = text.replace(f":{number}", f":{port}").replace(f", {number}", f", {port}")
        return text

    address = re.search(r'sites add --name "Warta Anda" --url (\S+) --webhook-url (\S+)', here(AFTERNOON))
    assert address is not None
    site = add_site(product.env, address.group(2), url=address.group(1))
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text(here(block("html")).replace("$SITE", site.public_id))
    (tmp_path / "receiver.py").write_text(here(block("python")))
    heard = tmp_path / "heard.txt"
    with heard.open("wb") as log:
        receiver = subprocess.Popen(
            [sys.executable, "receiver.py"], cwd=tmp_path, env={"SECRET": site.webhook_secret}, stdout=log
        )
    pages = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(ports["9000"]), "--bind", "127.0.0.1"],
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 15
        while not (listens(ports["9000"]) and listens(ports["9001"])):
            assert time.monotonic() < until
            time.sleep(0.05)
        page = chromium.new_page(locale="id-ID")
        page.goto(f"http://127.0.0.1:{ports['9000']}/")
        good, bad = re.findall(r'"(Terima kasih.*?|Daftar di.*?)"', AFTERNOON.replace("\n", " "))
        write(page, good)
        wait_for("APPROVED", heard)
        page.reload()
        expect(page.get_by_text(good)).to_be_visible()
        write(page, bad)
        wait_for("HELD", heard)
    finally:
        for process in (receiver, pages):
            process.terminate()
            process.wait(10)


def write(page: Page, text: str) -> None:
    page.locator("textarea[name=comment]").fill(text)
    page.locator("input[name=author]").fill("Rani")
    page.locator("input[name=email]").fill("rani@contoh.example")
    page.locator("#comments form button:not([type=button])").click()
