import type { Db } from "./types.ts";

/** What Postgres bounds for every service: a statement, a wait for a lock, a transaction's rest. */
export const LIMITS_MS = {
  statement_timeout: 10_000,
  lock_timeout: 3_000,
  idle_in_transaction_session_timeout: 30_000,
} as const;

/**
 * Those that do not apply to this role's connections: then a statement could wait for ever. So it
 * is behind a pooler that drops what a connection asks for, if the role has no limits of its own.
 */
export async function limitsMissing(db: Db): Promise<string[]> {
  const { rows } = await db.query<{ name: string }>(
    "select name from pg_settings where name = any($1::text[]) and setting = '0' order by name",
    [Object.keys(LIMITS_MS)],
  );
  return rows.map(({ name }) => name);
}
