"""axe-core, fetched from npm when the tests run: no third-party script stands in the tree."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

VERSION = "4.14.1"
TAGS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]

RUN = """tags => axe.run(document, {
    runOnly: {type: "tag", values: tags},
    resultTypes: ["violations"],
    preload: false,  // style sheets fetched apart: none of these rules reads them
}).then(found => found.violations)"""


def source(folder: Path) -> str:
    """The text of axe-core, kept in `folder` from run to run. Skips where npm is not there; in CI it must be."""
    kept = folder / f"axe-{VERSION}.js"
    if not kept.is_file():
        npm = shutil.which("npm")
        if npm is None:
            if os.environ.get("CI"):
                pytest.fail("npm is not installed, and in CI it must be")
            pytest.skip("npm is not installed: axe-core cannot be fetched")
        command = [npm, "pack", f"axe-core@{VERSION}", "--silent", "--pack-destination", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode:
            if os.environ.get("CI"):
                pytest.fail(f"npm does not give axe-core: {done.stderr}")
            pytest.skip("npm does not give axe-core: there is no network")
        with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            part = kept.with_suffix(".part")
            part.write_bytes(member.read())
            part.replace(kept)
    return kept.read_text(encoding="utf-8")


def violations(page: Page, axe: str) -> list[str]:
    """What axe finds wrong on a page, one line each. The page's policy lets no script in: axe comes as a value."""
    page.evaluate(axe)
    found: list[dict[str, Any]] = page.evaluate(RUN, TAGS)
    return [
        f"{rule['id']}: {node['target']} {' '.join(node['failureSummary'].split())[:200]}"
        for rule in found
        for node in rule["nodes"]
    ]
