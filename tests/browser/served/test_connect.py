"""Connecting a site as its developer does: make it, paste the lines as they stand, watch the page turn green.

With the keyboard alone, and once more without JavaScript.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from bench.product import free_port, listens

from .conftest import PASSWORD, Product

pytestmark = [pytest.mark.flow, pytest.mark.browser]


@pytest.fixture
def page(chromium: Browser, product: Product) -> Iterator[Page]:
    context = chromium.new_context(locale="en-GB")
    context.set_default_timeout(20_000)
    opened = context.new_page()
    opened.goto(f"{product.base}/login?next=/sites&lang=en")
    opened.fill("#email", "rani@warta.example")
    opened.fill("#password", PASSWORD)
    opened.keyboard.press("Enter")
    opened.wait_for_url("**/sites")
    yield opened
    context.close()


def tab_to(page: Page, selector: str) -> None:
    """Reach an element as the keyboard does."""
    for _ in range(80):
        if page.evaluate("wanted => document.activeElement.matches(wanted)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {selector}")


def lines(page: Page, name: str, key: str, secret: str) -> str:
    """A snippet as it stands, with what the page says one has to put in."""
    text = page.locator(f"[id='s-{name}']").inner_text()
    return text.replace("mk_PASTE_YOUR_KEY", key).replace("whsec_PASTE_YOUR_SECRET", secret)


def wait_for(port: int, process: "subprocess.Popen[str]") -> None:
    """Until the receiver listens."""
    until = time.monotonic() + 20
    while not listens(port):
        assert process.poll() is None, "the receiver died"
        assert time.monotonic() < until, "the receiver does not listen"
        time.sleep(0.05)


def test_the_lines_work_as_pasted_and_the_page_turns_green(page: Page, chromium: Browser, product: Product) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    port = free_port()
    tab_to(page, "a[href='/sites/new']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/sites/new")
    tab_to(page, "#name")
    page.keyboard.type("Warta Anda")
    tab_to(page, "#url")
    page.keyboard.type("https://anda.example")
    tab_to(page, "#webhook_url")
    page.keyboard.type(f"http://127.0.0.1:{port}/")
    page.keyboard.press("Enter")
    key, secret = page.input_value("#shown-key"), page.input_value("#shown-secret")
    tab_to(page, "a.primary")
    page.keyboard.press("Enter")
    page.wait_for_url("**/connect")
    state = page.locator("#connection")
    expect(state).to_contain_text("Waiting for the first comment")

    code = lines(page, "receive.py", key, secret).replace("8099", str(port))
    receiver = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        wait_for(port, receiver)
        script = lines(page, "send.sh", key, secret)
        sent = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=20)
        assert '"status"' in sent.stdout, sent
        expect(state.locator("li.is-yes")).to_have_count(2)
        expect(state).to_contain_text("A decision went back")
        subprocess.run([sys.executable, "-c", lines(page, "send.py", key, secret)], check=True, timeout=20)
        assert receiver.stdout is not None
        assert [receiver.stdout.readline().split() for _ in range(2)] == [
            ["coba-1", "APPROVED"],
            ["coba-2", "APPROVED"],
        ]
    finally:
        receiver.terminate()
        receiver.wait(10)
        if receiver.stdout is not None:
            receiver.stdout.close()

    context = chromium.new_context(java_script_enabled=False, storage_state=page.context.storage_state())
    plain = context.new_page()
    plain.goto(page.url)
    expect(plain.locator("[data-copy]").first).to_be_hidden()
    plain.click("text=look again")
    expect(plain.locator("#connection li.is-yes")).to_have_count(2)
    context.close()


def test_the_sites_pages_fit_a_phone(page: Page, product: Product) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    for path in ("/sites", "/sites/new", "/sites/1", "/sites/1/connect"):
        for language in ("id", "en"):
            page.goto(f"{product.base}{path}?lang={language}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, (path, language)
