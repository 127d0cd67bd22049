import type { AlertRule } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import type { Remembered } from "./rule.ts";

/** How far the rules have read, and whether this process may go on. */
export interface CursorState {
  readonly idx: number;
  readonly lastId: string | null;
  /** Entries in the log. */
  readonly size: number;
  /** This process has the lease, or may take it. */
  readonly isFree: boolean;
  /** It was this process that read up to here. */
  readonly isOurs: boolean;
  /** Less than half of the lease is left. */
  readonly isRunningOut: boolean;
}

const STATE = `c.idx, c.last_id as "lastId", w.size,
  (c.owner is null or c.owner = $1 or c.lease_until < clock_timestamp()) as "isFree",
  coalesce(c.owner = $1, false) as "isOurs",
  (c.lease_until is null or c.lease_until < clock_timestamp() + $2::float8 * interval '0.5 millisecond') as "isRunningOut"`;

export async function readCursor(db: Db, owner: string, leaseMs: number): Promise<CursorState | undefined> {
  const { rows } = await db.query<CursorState>(`select ${STATE} from alert_cursor c, writer w`, [
    owner,
    leaseMs,
  ]);
  return rows[0];
}

/** As readCursor, and locked until the transaction ends; undefined while another process has it. */
export async function lockCursor(tx: Tx, owner: string, leaseMs: number): Promise<CursorState | undefined> {
  const { rows } = await tx.query<CursorState>(
    `select ${STATE} from alert_cursor c, writer w for update of c skip locked`,
    [owner, leaseMs],
  );
  return rows[0];
}

/** Locked until the transaction ends, when no other process has it. */
export async function waitForCursor(tx: Tx): Promise<void> {
  await tx.query("select from alert_cursor for update");
}

export async function moveCursor(
  tx: Tx,
  { idx, lastId }: { idx: number; lastId: string | null },
  owner: string,
  leaseMs: number,
): Promise<void> {
  await tx.query(
    `update alert_cursor set idx = $1, last_id = $2, owner = $3,
            lease_until = clock_timestamp() + $4::float8 * interval '1 millisecond'`,
    [idx, lastId, owner, leaseMs],
  );
}

/** Gives the cursor up, so that another process need not wait. */
export async function releaseCursor(db: Db, owner: string): Promise<void> {
  await db.query("update alert_cursor set owner = null, lease_until = null where owner = $1", [owner]);
}

/** The id of the event at a place of the log. */
export async function idAt(db: Db, idx: number): Promise<string | null> {
  const { rows } = await db.query<{ id: string }>("select id from log where idx = $1", [idx]);
  return rows[0]?.id ?? null;
}

export interface RuleAndCause {
  readonly rule: AlertRule;
  readonly cause: string;
}

/** What is remembered of these. */
export async function readWindows(
  db: Db,
  keys: readonly RuleAndCause[],
): Promise<(RuleAndCause & { remembered: Remembered })[]> {
  if (keys.length === 0) return [];
  const { rows } = await db.query<RuleAndCause & { remembered: string }>(
    `select rule, cause, remembered from unnest($1::text[], $2::text[]) as asked (rule, cause)
       join alert_windows using (rule, cause)`,
    [keys.map(({ rule }) => rule), keys.map(({ cause }) => cause)],
  );
  return rows.map((row) => ({ ...row, remembered: JSON.parse(row.remembered) as Remembered }));
}

/** `keepMs` from now on; by the whole hour, so that most changes of a row move no index entry. */
export async function saveWindows(
  tx: Tx,
  windows: readonly (RuleAndCause & { remembered: Remembered; keepMs: number })[],
): Promise<void> {
  if (windows.length === 0) return;
  await tx.query(
    `insert into alert_windows (rule, cause, remembered, kept_until)
     select rule, cause, remembered,
            date_trunc('hour', clock_timestamp() + (ms + 3600000) * interval '1 millisecond')
       from unnest($1::text[], $2::text[], $3::text[], $4::float8[]) as new (rule, cause, remembered, ms)
     on conflict (rule, cause) do update set remembered = excluded.remembered, kept_until = excluded.kept_until`,
    [
      windows.map(({ rule }) => rule),
      windows.map(({ cause }) => cause),
      windows.map(({ remembered }) => JSON.stringify(remembered)),
      windows.map(({ keepMs }) => keepMs),
    ],
  );
}

/** Forgets what is of no use any more, and of these rules what is beyond `most`, soonest first. */
export async function forgetWindows(db: Db, rules: readonly AlertRule[], most: number): Promise<void> {
  await db.query("delete from alert_windows where kept_until < clock_timestamp()");
  await db.query(
    `delete from alert_windows where (rule, cause) in (
       select rule, cause from alert_windows where rule = any($1)
        order by kept_until desc, rule, cause offset $2)`,
    [rules, most],
  );
}
