import type { Db, Tx } from "@medvault/postgres";
import type { PastCheckpoint } from "../log/checkpoint.store.ts";
import type { WitnessFault } from "./witness.ts";

/** What is known of a witness. */
export interface WitnessStanding {
  readonly name: string;
  /** Of the checkpoint that it cosigned last; 0: none, or not known. */
  readonly size: number;
  readonly failingSince: Date | null;
  readonly reason: string | null;
  /** An event says that it fails. */
  readonly told: boolean;
}

export async function listStandings(db: Db): Promise<WitnessStanding[]> {
  const { rows } = await db.query<WitnessStanding>(
    `select name, size, failing_since as "failingSince", reason, told from witnesses`,
  );
  return rows;
}

/** Stores a cosignature that was checked, and that its witness is well. */
export async function recordCosignature(
  db: Db,
  size: number,
  witness: string,
  line: string,
  at: Date,
): Promise<void> {
  await db.query(
    `with line as (
       insert into cosignatures (size, witness, line, signed_at) values ($1, $2, $3, $4)
       on conflict (size, witness) do update set line = excluded.line, signed_at = excluded.signed_at)
     insert into witnesses (name, size) values ($2, $1)
     on conflict (name) do update set size = excluded.size, failing_since = null, reason = null, told = false`,
    [size, witness, line, at],
  );
}

/** Notes that a witness failed; since when is that of its first failure. Gives how it stands. */
export async function recordFault(
  tx: Tx,
  name: string,
  reason: WitnessFault,
  at: Date,
): Promise<WitnessStanding> {
  const { rows } = await tx.query<WitnessStanding>(
    `insert into witnesses as known (name, failing_since, reason) values ($1, $2, $3)
     on conflict (name) do update
        set failing_since = coalesce(known.failing_since, excluded.failing_since), reason = excluded.reason,
            told = known.told and known.reason = excluded.reason
     returning name, size, failing_since as "failingSince", reason, told`,
    [name, at, reason],
  );
  return rows[0] as WitnessStanding;
}

export async function markTold(tx: Tx, name: string): Promise<void> {
  await tx.query("update witnesses set told = true where name = $1", [name]);
}

/** Drops cosignatures of before then, but for each witness's last. */
export async function dropCosignatures(db: Db, before: Date): Promise<void> {
  await db.query(
    `delete from cosignatures c using witnesses w
      where w.name = c.witness and c.size < w.size and c.signed_at < $1`,
    [before],
  );
}

/** The lines of one checkpoint, of these witnesses. */
export async function linesOf(db: Db, size: number, names: readonly string[]): Promise<string[]> {
  const { rows } = await db.query<{ line: string }>(
    "select line from cosignatures where size = $1 and witness = any($2::text[]) order by witness",
    [size, names],
  );
  return rows.map(({ line }) => line);
}

/**
 * The largest checkpoint that `quorum` of these witnesses cosigned, unless the one behind it was
 * signed before `since`: null.
 */
export async function largestCosigned(
  db: Db,
  names: readonly string[],
  quorum: number,
  since: Date,
): Promise<PastCheckpoint | null> {
  const { rows } = await db.query<PastCheckpoint>(
    `select p.size, p.root, p.note, p.signed_at as "signedAt"
       from (select size from cosignatures where witness = any($1::text[])
              group by size having count(*) >= $2 order by size desc limit 1) c
       join checkpoints p using (size)
      where not exists (select from checkpoints n where n.size > c.size and n.signed_at < $3)`,
    [names, quorum, since],
  );
  return rows[0] ?? null;
}
