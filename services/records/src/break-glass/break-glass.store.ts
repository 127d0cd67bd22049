import type { Actor } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import { chartIds, reachOf } from "../access/reach.ts";

export interface Running {
  /** Charts that the caller has open. */
  count: number;
  /** Whether the patient's is one of them. */
  hasThis: boolean;
}

/**
 * What the caller has open now. Until the transaction ends another one of theirs waits: two at once
 * would not see each other.
 */
export async function lockRunning(tx: Tx, actor: Actor, patientId: string): Promise<Running> {
  const { userId } = reachOf(actor, "breakglass:write");
  await tx.query("select pg_advisory_xact_lock(hashtextextended('records/break-glass/' || $1, 0))", [userId]);
  const { rows } = await tx.query<Running>(
    `select count(*)::int as count, coalesce(bool_or(b.patient_id = any(${chartIds("$2")})), false) as "hasThis"
       from break_glass b where b.user_id = $1 and b.expires_at > now()`,
    [userId, patientId],
  );
  return rows[0] ?? { count: 0, hasThis: false };
}

/**
 * How many parts of a chart the patient has closed to the caller, which the emergency goes over.
 */
export async function countClosed(tx: Tx, actor: Actor, patientId: string): Promise<number> {
  const { userId } = reachOf(actor, "breakglass:write");
  const { rows } = await tx.query<{ count: number }>(
    "select cardinality(closed_parts($1, $2, true)) as count",
    [patientId, userId],
  );
  return rows[0]?.count ?? 0;
}

/** What is to be seen at once, and reviewed soon. */
export interface BrokenGlass {
  /** Accesses of anyone that run now; at most 1,000 are counted. */
  running: number;
  /** Since the oldest that nobody has reviewed; 0 where there is none. */
  unreviewedS: number;
}

export async function brokenGlass(db: Db): Promise<BrokenGlass | undefined> {
  const { rows } = await db.query<BrokenGlass>(
    `select (select count(*)::int from (select from break_glass where expires_at > now() limit 1000) r) as running,
            coalesce((select extract(epoch from now() - min(created_at))::float8
                        from break_glass where reviewed = 'none'), 0) as "unreviewedS"`,
  );
  return rows[0];
}
