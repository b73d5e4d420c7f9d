"""Who may come in: tokens, tickets, browsers, and a secret that all gateways share."""

from datetime import datetime

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Text,
)
from sqlmodel import Field

from tiltyard_orchestrator.storage.tables.base import NOW, Table


class TokenRow(Table, table=True):
    """A bearer token, known by its hash alone."""

    __tablename__ = "token"
    __table_args__ = (CheckConstraint("role IN ('user', 'worker')", name="role"),)

    id: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    role: str = Field(sa_type=Text)
    sha256: str = Field(sa_type=Text, unique=True)
    created_at: datetime = Field(sa_column_kwargs={"server_default": NOW})
    revoked_at: datetime | None = None


class SecretRow(Table, table=True):
    """A secret that all gateways share, made once by the first that needs it."""

    __tablename__ = "secret"

    name: str = Field(primary_key=True, sa_type=Text)
    value: str = Field(sa_type=Text)


class TicketRow(Table, table=True):
    """A ticket that opens one WebSocket, once: for browsers, which cannot send a header there."""

    __tablename__ = "ticket"

    sha256: str = Field(primary_key=True, sa_type=Text)
    token_id: str = Field(sa_column=Column(Text, ForeignKey("token.id", ondelete="CASCADE"), nullable=False))
    expires_at: datetime


class BrowserSessionRow(Table, table=True):
    """A browser that showed a ticket, known by the hash of its cookie."""

    __tablename__ = "browser_session"

    sha256: str = Field(primary_key=True, sa_type=Text)
    token_id: str = Field(sa_column=Column(Text, ForeignKey("token.id", ondelete="CASCADE"), nullable=False))
    expires_at: datetime
