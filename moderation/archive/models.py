"""Tables of the archive room."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base, BigId


class ArchiveImport(Base):
    """One import of one file into one site. `position` and `counts` are committed with the rows that they count, so
    that a killed import goes on where it was."""

    __tablename__ = "archive_import"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    site_id: Mapped[int] = mapped_column(ForeignKey("site.id"), index=True)
    format: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(500))
    """The file's name, for people."""
    fingerprint: Mapped[str] = mapped_column(String(80), index=True)
    """Size and hash of the file: the same file goes on, another one starts anew."""
    position: Mapped[int] = mapped_column(BigInteger, default=0)
    """Records of the file that are done with."""
    counts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[str] = mapped_column(String(12), default="running")
    """`running` or `finished`."""
    started_by: Mapped[str] = mapped_column(String(60))
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
