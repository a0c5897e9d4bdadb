"""Makes the pictures of README.md: starts the product in an empty folder, fills it with a few comments, and looks.

Usage: .venv/bin/python docs/make_screenshots.py [FOLDER]   (default: docs/images; needs chromium)
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
PASSWORD = "kata-sandi-gambar"

COMMENTS = [
    ("nur_aisyah", "Semoga ongkos muatnya benar-benar turun sampai ke pedagang kecil, bukan cuma ke perusahaan besar."),
    ("Anna", "Good summary, thank you. Does the ferry take bicycles in the morning?"),
    (
        "gilang_ramadani",
        "𝗦𝗟𝗢𝗧 𝗚𝗔𝗖𝗢𝗥 malam ini, modal 20rb jadi 2 juta!! daftar sekarang contoh-77.example WA 0800-0000-0047",
    ),
    (
        "bayu_kencana",
        "Yang nulis berita ini goblok atau memang dibayar? Percuma diresmikan kalau tarif untuk warung tetap segitu.",
    ),
    ("tono.kurir", "Awas saja, besok kantor kalian saya datangi ramai-ramai biar tahu rasa."),
    ("wira.tekno", "Tarif penumpang sudah diumumkan kok, yang belum jelas ongkos muatnya."),
]


def main(folder: Path) -> None:
    """Start, fill, look, stop."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        base = f"http://127.0.0.1:{port}"
        environment = {**os.environ, "PORT": str(port), "MODERATION_DATA_DIR": data}
        environment |= {"MODERATION_ADMIN_PASSWORD": PASSWORD, "MODERATION_ADMIN_EMAIL": "rani@warta.example"}
        environment |= {"MODERATION_FORM_FLOOD_SECONDS": "0", "MODERATION_FORM_MIN_SECONDS": "0"}
        product = subprocess.Popen(
            [sys.executable, "-c", "from moderation.cli import main; main()", "up"], env=environment
        )
        try:
            wait(base)
            look(base, folder)
        finally:
            product.terminate()
            product.wait(20)


def wait(base: str) -> None:
    """Until the product is ready."""
    for _ in range(400):
        try:
            with urllib.request.urlopen(f"{base}/readyz", timeout=2) as answer:
                json.load(answer)
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise SystemExit("the product is not ready")


def look(base: str, folder: Path) -> None:
    """Write the comments as readers do, then take the pictures."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="id-ID")
        for name, text in COMMENTS:
            page.goto(f"{base}/demo")
            page.fill("#comment", text)
            page.fill("#author", name)
            page.fill("#email", f"{name}@contoh.example")
            page.click("#reply form button.primary")
            page.locator("[data-own]").wait_for()
        time.sleep(1)
        page.goto(f"{base}/login")
        page.fill("#email", "rani@warta.example")
        page.fill("#password", PASSWORD)
        page.click("button.primary")
        page.wait_for_url("**/queue")
        shoot(page, folder / "queue.png")
        page.goto(f"{base}/demo")
        shoot(page, folder / "demo.png", full=True)
        for extra in os.environ.get("ALSO", "").split():  # more pages to look at while working on them
            name, width, path = extra.split(",", 2)
            page.set_viewport_size({"width": int(width), "height": 900})
            page.goto(base + path)
            shoot(page, folder / f"{name}.png", full=True)
        browser.close()


def shoot(page: Page, path: Path, *, full: bool = False) -> None:
    """One picture."""
    page.screenshot(path=path, full_page=full)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images")
