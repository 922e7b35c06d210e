"""Opens what every process of an installation shares: the data dir, the database with its schema, the queue."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from secrecon.accounts.vault import KEY_FILE, vault_at
from secrecon.app.language import language_of
from secrecon.app.parts import build_engine, build_resolver, trust_operator_ca
from secrecon.app.plans_file import load_plans
from secrecon.app.settings import Settings
from secrecon.jobs.queue import ScanQueue
from secrecon.model.errors import OperatorError
from secrecon.net.clock import SystemClock
from secrecon.net.hooks import HookSender
from secrecon.oast.callbacks import EmbeddedCallbacks, ServerCallbacks
from secrecon.service.context import Context, ListenerView, Policy
from secrecon.store.database import Database, sqlite_url

DATABASE_NAME = "secrecon.db"


def database_of(settings: Settings) -> Database:
    """The configured database; SQLite in the data dir, which is made where it is missing."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise OperatorError(
            f"the data dir {settings.data_dir} cannot be made: {error.strerror}; choose another with SECRECON_DATA_DIR"
        ) from error
    return Database(settings.database_url or sqlite_url(settings.data_dir / DATABASE_NAME))


@contextlib.asynccontextmanager
async def open_context(settings: Settings) -> AsyncIterator[Context]:
    """The context of a process that runs no scans, such as a command of the operator's."""
    async with open_installation(settings) as (ctx, _):
        yield ctx


@contextlib.asynccontextmanager
async def open_installation(
    settings: Settings,
    callbacks: EmbeddedCallbacks | ServerCallbacks | None = None,
    listener: ListenerView | None = None,
) -> AsyncIterator[tuple[Context, ScanQueue]]:
    """The context and its queue. `callbacks` and `listener`: of the process that runs scans."""
    clock, resolver = SystemClock(), build_resolver(settings)
    plans = load_plans(settings.plans_file)
    trust_operator_ca(settings)
    db = database_of(settings)
    try:
        await db.migrate()
        queue = ScanQueue(db)
        await queue.open()
        try:
            ctx = Context(
                db=db,
                queue=queue,
                clock=clock,
                policy=Policy(
                    allow=settings.scope_allow,
                    resolver=resolver,
                    plans=plans,
                    reports_need_key=settings.reports_need_key,
                    base_url=settings.base_url,
                    questions_an_hour=settings.llm_questions,
                    data_dir=settings.data_dir,
                    budgets=settings.budgets,
                ),
                engine=build_engine(settings, clock, resolver, callbacks),
                hooks=HookSender(settings.webhook_allow, resolver, settings.tls_ca),
                listener=listener,
                vault=vault_at(settings.secret_key_file or settings.data_dir / KEY_FILE),
                language=language_of(settings, clock),
            )
            yield ctx, queue
        finally:
            await queue.close()
    finally:
        await db.close()
