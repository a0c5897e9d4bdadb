"""Isso, served as the product is served; runs in Isso's own environment and imports nothing of ours.

`PYTHON_WITH_ISSO bench/isso_server.py FOLDER PORT`. Isso's guard against floods is off, its moderation queue on: a
comment is stored and waits, as with us.
"""

import sys
from pathlib import Path

import waitress
from isso import config, make_app

folder, port = Path(sys.argv[1]), int(sys.argv[2])
path = folder / "isso.conf"
path.write_text(
    f"[general]\ndbpath = {folder}/isso.db\nhost = http://127.0.0.1:{port}/\n"
    f"[server]\nlisten = http://127.0.0.1:{port}/\n[moderation]\nenabled = true\n[guard]\nenabled = false\n"
)
conf = config.load(config.default_file(), str(path))
waitress.serve(make_app(conf, threading=True), host="127.0.0.1", port=port, threads=8, ident=None)
