import type { Actor } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import { isVouched, reached, reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { SubjectToken } from "./source.store.ts";

/** The first key of the advisory locks of imports. */
const IMPORT_LOCK = 0x66686972;

/** Charts that are found by one name. */
const MAX_BY_NAME = 21;

/**
 * The patients whom the actor may write and who have these names, at most 21 by each: by the base
 * token of the name, hex. None whose identity nobody but their own account asserts: they would take
 * what is another's.
 */
export async function findByNames(
  db: Db,
  context: Context,
  actor: Actor,
  tokens: readonly Buffer[],
): Promise<Map<string, Set<string>>> {
  const { scope, userId } = reachOf(actor, "patient:write");
  if (tokens.length === 0) return new Map();
  return context.indexes.identifiers.read(db, tokens, async (forms, baseOf) => {
    const { rows } = await db.query<{ token: Buffer; patient_id: string }>(
      `select x.token, i.patient_id from unnest($1::bytea[]) as x (token)
        cross join lateral (
              select i.patient_id from patient_identifiers i join patients p on p.id = i.patient_id
               where i.token = x.token and ${reached("i.patient_id", 2)} and ${isVouched("p")}
               order by i.patient_id limit ${MAX_BY_NAME}) i`,
      [forms, scope, userId],
    );
    const found = new Map<string, Set<string>>();
    for (const { token, patient_id } of rows) {
      const base = baseOf(token);
      found.set(base, (found.get(base) ?? new Set()).add(patient_id));
    }
    return found;
  });
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

/** Notes by what patients are known whom the actor has made, or was found to write. */
export async function insertIdentifiers(
  tx: Tx,
  context: Context,
  actor: Actor,
  tokens: readonly SubjectToken[],
): Promise<void> {
  reachOf(actor, "patient:write");
  if (tokens.length === 0) return;
  const bases = tokens.map(({ token }) => token);
  const stored = await context.indexes.identifiers.stored(tx, bases);
  await tx.query(
    `insert into patient_identifiers (patient_id, token, layer)
     select x.patient_id, x.token, $3 from unnest($1::uuid[], $2::bytea[]) as x (patient_id, token)
     on conflict do nothing`,
    [tokens.map(({ subjectId }) => subjectId), stored.tokens, stored.layer],
  );
}
