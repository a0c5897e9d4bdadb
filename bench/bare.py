"""The least that taking a comment in can cost: a Flask view that inserts one row, served as the product is served.

`python -m bench.bare DATABASE PORT`. The same server with as many threads, the same library for the database, the same
promise (the row is on disk before the 201), and nothing else: no key, no checks, no second row.
"""

import sys
from typing import Any

import sqlalchemy as sa
import waitress
from flask import Flask, request

TABLE = sa.Table(
    "bare_comment",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("external_id", sa.String(255)),
    sa.Column("story", sa.String(255)),
    sa.Column("author", sa.String(245)),
    sa.Column("text", sa.Text),
)


def make_app(url: str) -> Flask:
    """The application on the database at `url`; its table is made when it is missing."""
    engine = sa.create_engine(url, pool_size=10, max_overflow=10)
    if url.startswith("sqlite"):
        sa.event.listen(engine, "connect", _durable)
    TABLE.metadata.create_all(engine)
    app = Flask(__name__)

    @app.post("/comments")
    def add() -> tuple[dict[str, Any], int]:
        given = request.get_json()
        with engine.begin() as connection:
            done = connection.execute(
                TABLE.insert(),
                {
                    "external_id": given["external_id"],
                    "story": given["story"]["external_id"],
                    "author": given["author"]["name"],
                    "text": given["text"],
                },
            )
        made = done.inserted_primary_key
        return {"id": made[0] if made else None}, 201

    return app


def _durable(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        connection.execute(f"PRAGMA {pragma}")


if __name__ == "__main__":
    waitress.serve(make_app(sys.argv[1]), host="127.0.0.1", port=int(sys.argv[2]), threads=8, ident=None)
