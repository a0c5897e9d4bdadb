"""The report as CSV: the same table over HTTP and from the command line, with plain numbers; no cell is a formula."""

import csv
import io

from flask import Response

from moderation.archive.rows import guarded
from moderation.rescoring import report
from moderation.rescoring.models import RescoreRun
from moderation.rescoring.report import Report

COLUMNS = ("of", "which", "figure", "value")


def table(told: Report) -> str:
    """A long table: what is counted, of what, the figure's name, the figure."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in report.csv_rows(told):
        writer.writerow([_cell(value) for value in row])
    return text.getvalue()


def answer(run: RescoreRun, told: Report) -> Response:
    """The table as a file to be kept."""
    response = Response(table(told), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="rescore-{run.id}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return guarded(value) if isinstance(value, str) else str(value)
