import type { Actor } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import { reached, reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { SubjectToken } from "./source.store.ts";

/** The first key of the advisory locks of imports. */
const IMPORT_LOCK = 0x66686972;

export interface Match {
  patientId: string;
  wrapped: Buffer;
  /** How many of the identifiers are this patient's. */
  hits: number;
}

/**
 * The patients whom the actor may write and who have one of these identifiers, best fit first: at
 * most two.
 */
export async function matchPatients(
  db: Db,
  context: Context,
  actor: Actor,
  identifierTokens: readonly Buffer[],
): Promise<Match[]> {
  const { scope, userId } = reachOf(actor, "patient:write");
  const { rows } = await context.indexes.identifiers.read(db, identifierTokens, (forms) =>
    db.query<{ patient_id: string; wrapped: Buffer; hits: number }>(
      `select i.patient_id, k.wrapped, count(*)::int as hits
       from patient_identifiers i join subject_keys k on k.subject_id = i.patient_id
      where i.token = any($1::bytea[])
        and ${reached("i.patient_id", 2)}
      group by i.patient_id, k.wrapped
      order by hits desc, i.patient_id limit 2`,
      [forms, scope, userId],
    ),
  );
  return rows.map((row) => ({ patientId: row.patient_id, wrapped: row.wrapped, hits: row.hits }));
}

/**
 * Locks of all imports: each holds at most so many, and Postgres has some 6,400 for everyone. Two
 * imports of different people rarely meet in one.
 */
const LOCKS = 512n;

/**
 * Waits until no other import of the same subjects or identifiers is under way; held until the
 * transaction ends. Taken in one order, so that two imports wait for each other instead of
 * deadlocking.
 */
export async function lockImports(tx: Tx, tokens: readonly Buffer[]): Promise<void> {
  await tx.query("set local lock_timeout = '20s'");
  const locks = new Set(tokens.map((token) => String(token.readBigUInt64BE(0) % LOCKS)));
  await tx.query(
    `select pg_advisory_xact_lock($2, h) from (select h from unnest($1::int[]) as x (h) order by h) as ordered`,
    [[...locks], IMPORT_LOCK],
  );
}

/** Notes identifiers of patients whom this transaction has made, or of whom more was said. */
export async function insertIdentifiers(
  tx: Tx,
  context: Context,
  actor: Actor,
  tokens: readonly SubjectToken[],
): Promise<void> {
  reachOf(actor, "patient:write");
  const bases = tokens.map(({ token }) => token);
  const stored = await context.indexes.identifiers.stored(tx, bases);
  await tx.query(
    `insert into patient_identifiers (patient_id, token, layer)
     select x.patient_id, x.token, $3 from unnest($1::uuid[], $2::bytea[]) as x (patient_id, token)
     on conflict do nothing`,
    [tokens.map(({ subjectId }) => subjectId), stored.tokens, stored.layer],
  );
}
