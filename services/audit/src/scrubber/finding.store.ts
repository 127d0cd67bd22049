import type { IntegrityFault } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import type { Db, Tx } from "@medvault/postgres";
import type { Finding } from "./finding.ts";
import { integrityFailed } from "./integrity.events.ts";

/** Findings that are kept at once: each has an event, and an alarm needs no thousand of them. */
const MAX_FINDINGS = 50;
const NO_INDEX = -1;

export interface OpenFinding extends Finding {
  readonly foundAt: Date;
}

export async function openFindings(db: Db): Promise<OpenFinding[]> {
  const { rows } = await db.query<{ fault: IntegrityFault; idx: number; foundAt: Date }>(
    `select fault, idx, found_at as "foundAt" from findings order by found_at, idx limit ${MAX_FINDINGS}`,
  );
  return rows.map(({ fault, idx, foundAt }) => ({ fault, index: idx === NO_INDEX ? null : idx, foundAt }));
}

/** Notes a finding and its event, in one transaction; false where it is known already. */
export async function recordFinding(tx: Tx, finding: Finding, at: Date): Promise<boolean> {
  const { rowCount } = await tx.query(
    `insert into findings (fault, idx, found_at)
     select $1, $2, $3 where (select count(*) from findings) < ${MAX_FINDINGS}
     on conflict do nothing`,
    [finding.fault, finding.index ?? NO_INDEX, at],
  );
  if (rowCount === 1) await emit(tx, "audit", integrityFailed(finding));
  return rowCount === 1;
}

export async function closeFinding(db: Db, { fault, index }: Finding): Promise<void> {
  await db.query("delete from findings where fault = $1 and idx = $2", [fault, index ?? NO_INDEX]);
}

/** The first tile that the walk has yet to read, and when it ended the last time. */
export async function readWalk(db: Db): Promise<{ position: number; walkedAt: Date | null }> {
  const { rows } = await db.query<{ position: number; walkedAt: Date | null }>(
    `select position, walked_at as "walkedAt" from scrub`,
  );
  return rows[0] ?? { position: 0, walkedAt: null };
}

export async function writeWalk(db: Db, position: number, endedAt: Date | null): Promise<void> {
  await db.query("update scrub set position = $1, walked_at = coalesce($2, walked_at)", [position, endedAt]);
}

/** How many entries of the last day there are, by the hours of their events. */
export async function entriesSince(db: Db, start: Date): Promise<number> {
  const { rows } = await db.query<{ entries: number }>(
    `select coalesce(sum(success + denied + failure), 0)::float8 as entries
       from log_counts where minutes = 60 and start >= $1`,
    [start],
  );
  return rows[0]?.entries ?? 0;
}
