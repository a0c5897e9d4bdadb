"""The demo site's own receiver: what a site does with `comment.decided`. It verifies, and answers 204.

The demo's pages read their thread from the database of this very service, so there is nothing to store here; a real
site keeps the state with the greatest `sequence` per comment.
"""

import time

from flask import Blueprint, Response, request

from moderation import signing, web
from moderation.accounts import sites
from moderation.errors import NotFound

receiver = Blueprint("demo_receiver", __name__, url_prefix="/demo")


@receiver.post("/webhook")
def told() -> Response:
    """Take a signed event. 401 when the signature is not ours."""
    body = web.raw_body()
    with web.database().reading() as session:
        site = sites.demo_site(session)
        if site is None:
            raise NotFound("There is no demo site.")
        secrets = sites.live_secrets(session, site.id)
    signing.verify(secrets, request.headers, body, time.time())
    return Response(status=204)
