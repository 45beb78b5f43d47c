"""Downloads: the archive of an export that the ledger says is done, and no other file."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from dash import Dash
from flask import abort, send_file
from werkzeug.utils import secure_filename
from werkzeug.wrappers import Response

from ...errors import InputError
from ..reader import NotThere, Unreadable
from ..site import Site
from .access import Refused

log = logging.getLogger(__name__)

NAME = re.compile(r"[0-9]{1,18}")


def href(command_id: int) -> str:
    """The address of what an export wrote."""
    return f"/exports/{command_id}"


def register(app: Dash, site: Site) -> None:
    """Answer `/exports/ID` with the archive, for who may export."""

    @app.server.get("/exports/")
    @app.server.get("/exports/<path:name>")
    def download(name: str = "") -> Response:
        try:
            site.access.require()
            archive = archive_of(site, name)
        except Refused as error:
            abort(403, str(error))
        except NotThere as error:
            log.info("no download: %s", error.why)
            abort(404, error.what)
        except Unreadable as error:
            abort(503, f"the ledger can't be read right now: {error}")
        safe = secure_filename(archive.name) or "export.zip"
        return send_file(archive, mimetype="application/zip", download_name=safe, as_attachment=True)


def archive_of(site: Site, name: str) -> Path:
    """The archive that the export command called `name` wrote, a file inside the exports folder.

    Raises:
        NotThere: no such command, it did not end well, or its file is not there or not in the folder.
        Unreadable: the ledger does not answer.
    """
    missing = "there is no such download"
    if site.exports is None or not NAME.fullmatch(name):
        raise NotThere(missing, "exports have a folder, and a number is their name")
    with site.reader.ledger() as ledger:
        try:
            command = ledger.command(int(name))
        except InputError as error:
            raise NotThere(missing, str(error)) from None
    if command.kind != "export" or command.state != "done":
        raise NotThere(missing, f"command {command.id} is a {command.kind} that is {command.state}")
    # Resolved, so that neither dots nor a link leads out of the folder.
    folder = site.exports.resolve()
    archive = (folder / str(command.result.get("archive", ""))).resolve()
    if not archive.is_relative_to(folder) or archive.suffix != ".zip" or not archive.is_file():
        raise NotThere(missing, f"the archive of command {command.id} is no file in the exports folder")
    return archive
