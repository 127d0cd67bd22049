import { type Db, ddl } from "@medvault/postgres";

/** The locks of fences; the second number is the restore's. `refuse_write` asks for the same. */
const FENCE_LOCKS = 7_102_312;
/** A job that says nothing for this long holds no fence any more: Postgres ends its session. */
const LEASE_MS = 60_000;
const TRIGGER = "^restore_([0-9]+)$";

/**
 * Begins a transaction that holds the lock while it is open, and ends if nothing is asked in it. It
 * has no number, so it holds up no relay.
 */
export async function holdFence(db: Db, n: number): Promise<void> {
  await db.query("begin");
  await db.query("select set_config('idle_in_transaction_session_timeout', $1, true)", [`${LEASE_MS}ms`]);
  await db.query("select pg_advisory_xact_lock($1, $2)", [FENCE_LOCKS, n]);
}

/** Whether the lock is still held, by another session than this. */
export async function isFenceHeld(db: Db, n: number): Promise<boolean> {
  const { rows } = await db.query<{ taken: boolean }>(
    "select pg_try_advisory_xact_lock_shared($1, $2) as taken",
    [FENCE_LOCKS, n],
  );
  return rows[0]?.taken === false;
}

/** From this transaction's commit no statement writes to the table while the lock is held. */
export async function fenceTable(db: Db, schema: string, table: string, n: number): Promise<void> {
  await db.query(
    ddl(
      `create trigger %I before insert or update or delete on %I.%I
         for each statement execute function backup.refuse_write(%L)`,
      triggerOf(n),
      schema,
      table,
      String(n),
    ),
  );
}

export async function unfenceTable(db: Db, schema: string, table: string, n: number): Promise<void> {
  await db.query(ddl("drop trigger if exists %I on %I.%I", triggerOf(n), schema, table));
}

/** Tables that a restore which is not running any more left fenced. Nothing is refused there. */
export async function leftoverFences(
  db: Db,
  running: readonly number[],
): Promise<{ schema: string; table: string; n: number }[]> {
  const { rows } = await db.query<{ schema: string; table: string; n: number }>(
    `select s.nspname as schema, c.relname as table, substring(t.tgname from $1)::bigint as n
       from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace s on s.oid = c.relnamespace
      where t.tgname ~ $1 and not t.tgisinternal
        and not (substring(t.tgname from $1)::bigint = any($2::bigint[]))`,
    [TRIGGER, running],
  );
  return rows;
}

const triggerOf = (n: number): string => `restore_${n}`;
