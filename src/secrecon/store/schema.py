"""The schema's version: bringing it up to date, and refusing one that this program does not know.

Runs alembic over the migrations beside this module, inside the transaction it is given, so that a failed migration
leaves nothing behind (both databases roll DDL back).
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from secrecon.model.errors import OperatorError

_LOCK = 0x5EC12EC0
_FOLDER = Path(__file__).parent / "migrations"


def migrate(connection: sa.Connection) -> None:
    """Run every migration that is missing. Raises OperatorError for a schema newer than this program."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    config = _config()
    scripts = ScriptDirectory.from_config(config)
    _refuse_newer(connection, scripts)

    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def check(connection: sa.Connection) -> None:
    """Raise OperatorError where the schema is not exactly this program's."""
    scripts = ScriptDirectory.from_config(_config())
    _refuse_newer(connection, scripts)
    found = _revision(connection)
    if found != scripts.get_current_head():
        raise OperatorError(
            f"the database schema is at version {found or 'none'} and this program needs"
            f" {scripts.get_current_head()}: run `secrecon serve` once, which brings it up to date"
        )


def _refuse_newer(connection: sa.Connection, scripts: ScriptDirectory) -> None:
    found = _revision(connection)
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise OperatorError(
            f"the database schema is at version {found}, which this program does not know: it was written by a newer"
            " SecRecon; install that version again, or restore the backup from before the upgrade"
        )


def _revision(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
