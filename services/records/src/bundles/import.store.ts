import type { Actor } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import { reached, reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";

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
 * Waits until no other import of the same subject or identifiers is under way; held until the
 * transaction ends. Taken in one order, so that two imports wait for each other instead of
 * deadlocking.
 */
export async function lockImports(tx: Tx, tokens: readonly Buffer[]): Promise<void> {
  await tx.query("set local lock_timeout = '20s'");
  await tx.query(
    `select pg_advisory_xact_lock(h) from (select h from unnest($1::bigint[]) as x (h) order by h) as ordered`,
    [tokens.map((token) => String(token.readBigInt64BE(0)))],
  );
}

/**
 * Which of these resources the subject has already. The tokens are bound to the subject; who may
 * load, the caller found.
 */
export async function knownSources(
  db: Db,
  context: Context,
  actor: Actor,
  subjectId: string,
  tokens: readonly Buffer[],
): Promise<Set<string>> {
  reachOf(actor, "fhir:import");
  return context.indexes.sources.read(db, tokens, async (forms, baseOf) => {
    const { rows } = await db.query<{ token: Buffer }>(
      `select token from fhir_sources where subject_id = $1 and token = any($2::bytea[])`,
      [subjectId, forms],
    );
    return new Set(rows.map((row) => baseOf(row.token)));
  });
}

/**
 * Notes that the subject has these resources. A token that is there already breaks the transaction:
 * it would be stored twice.
 */
export async function insertSources(
  tx: Tx,
  context: Context,
  actor: Actor,
  subjectId: string,
  tokens: readonly Buffer[],
): Promise<void> {
  reachOf(actor, "fhir:import");
  const stored = await context.indexes.sources.stored(tx, tokens);
  await tx.query(`insert into fhir_sources (subject_id, token, layer) select $1, unnest($2::bytea[]), $3`, [
    subjectId,
    stored.tokens,
    stored.layer,
  ]);
}

/** Notes the identifiers of a patient whom this transaction has made. */
export async function insertIdentifiers(
  tx: Tx,
  context: Context,
  actor: Actor,
  patientId: string,
  tokens: readonly Buffer[],
): Promise<void> {
  reachOf(actor, "patient:write");
  const stored = await context.indexes.identifiers.stored(tx, tokens);
  await tx.query(
    `insert into patient_identifiers (patient_id, token, layer) select $1, unnest($2::bytea[]), $3`,
    [patientId, stored.tokens, stored.layer],
  );
}
