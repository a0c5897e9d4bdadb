"""Tables of the health room."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from moderation.db import Base


class Heartbeat(Base):
    """The last time that a process class got through its whole work: a worker that hangs beats no more."""

    __tablename__ = "heartbeat"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    at: Mapped[datetime]
