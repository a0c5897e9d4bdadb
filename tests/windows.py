"""Windows for tests in a browser: each begins with nobody's cookies and nothing kept."""

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext


class Windows:
    """Lends a browser's contexts, and takes them back emptied.

    Making a context takes half a second of processor time, twice as much as a page in it.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._lent: list[tuple[str, BrowserContext]] = []
        self._free: dict[str, list[BrowserContext]] = {}

    def lend(self, *, own: bool = False, **options: Any) -> BrowserContext:
        """A context with these options of `Browser.new_context`, and no page. `own`: one that nobody had and nobody
        gets, for tests that set its clock or put scripts into it."""
        key = "" if own else repr(sorted(options.items()))
        free = self._free.setdefault(key, [])
        context = free.pop() if free else self._browser.new_context(**options)
        self._lent.append((key, context))
        return context

    def take_back(self) -> None:
        """Close all pages of what is lent, and forget their cookies and what their last origins keep."""
        for key, context in self._lent:
            for page in context.pages:
                at = urlsplit(page.url)
                if at.netloc:
                    kept = {"origin": f"{at.scheme}://{at.netloc}", "storageTypes": "local_storage"}
                    context.new_cdp_session(page).send("Storage.clearDataForOrigin", kept)
                page.close()
            if not key:
                context.close()
                continue
            context.clear_cookies()
            self._free[key].append(context)
        self._lent.clear()
