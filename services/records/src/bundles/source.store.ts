import type { Actor } from "@medvault/contracts";
import type { Db, Tx } from "@medvault/postgres";
import { reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import { type Named, NO_ROW } from "./fate.ts";

/** A token, and the subject within which it is one. */
export interface SubjectToken {
  readonly subjectId: string;
  readonly token: Buffer;
}

/** A name of a row, to be kept. */
export interface RowName extends SubjectToken {
  readonly rowId: string;
  readonly kind: string;
  /** Whether it is what the row says now, word for word. */
  readonly isContent: boolean;
}

/** Rows whose names go on with another: what was a record is kept as it came, or the other way. */
export interface Move {
  readonly from: string;
  readonly to: string;
  readonly kind: string;
}

/**
 * The rows for which names stand, by base token in hex. The tokens are bound to the subjects; who
 * may load for them, the caller found.
 */
export async function findNames(
  db: Db,
  context: Context,
  actor: Actor,
  tokens: readonly SubjectToken[],
): Promise<Map<string, Named[]>> {
  reachOf(actor, "fhir:import");
  const subjectOf = new Map(tokens.map(({ subjectId, token }) => [token.toString("hex"), subjectId]));
  if (subjectOf.size === 0) return new Map();
  const bases = [...subjectOf.keys()].map((hex) => Buffer.from(hex, "hex"));
  return context.indexes.sources.read(db, bases, async (forms, baseOf) => {
    const { rows } = await db.query<Named & { token: Buffer }>(
      `select s.token, s.row_id as "rowId", s.kind, s.content
         from unnest($1::uuid[], $2::bytea[]) as x (subject_id, token)
         join fhir_sources s on s.subject_id = x.subject_id and s.token = x.token
        order by s.row_id`,
      [forms.map((form) => subjectOf.get(baseOf(form))), forms],
    );
    return Map.groupBy(rows, ({ token }) => baseOf(token));
  });
}

/** What is known of subjects at large. */
export interface Past {
  /** Whether one has names of before migration 0011, which say of no row. */
  readonly isOld: boolean;
  /** The other charts that each is merged with. */
  readonly merged: ReadonlyMap<string, readonly string[]>;
}

/** What is known of subjects for whom the caller found that the actor may load. */
export async function pastOf(db: Db, actor: Actor, subjectIds: readonly string[]): Promise<Past> {
  reachOf(actor, "fhir:import");
  if (subjectIds.length === 0) return { isOld: false, merged: new Map() };
  const { rows } = await db.query<{ is_old: boolean; merged: { id: string; other: string }[] }>(
    `select exists (select from fhir_sources
                     where subject_id = any($1::uuid[]) and row_id = '${NO_ROW}') as is_old,
            (select coalesce(jsonb_agg(jsonb_build_object('id', x.from_id, 'other', y.from_id)), '[]')
               from patient_merges x join patient_merges y on y.into_id = x.into_id and y.from_id <> x.from_id
              where x.from_id = any($1::uuid[])) as merged`,
    [subjectIds],
  );
  const [found] = rows;
  const others = Map.groupBy(found?.merged ?? [], ({ id }) => id);
  const merged = [...others].map(([id, pairs]) => [id, pairs.map(({ other }) => other)] as const);
  return { isOld: found?.is_old === true, merged: new Map(merged) };
}

/** Keeps names of rows that this transaction has written; what they said before is `former`. */
export async function keepNames(
  tx: Tx,
  context: Context,
  actor: Actor,
  names: readonly RowName[],
  changed: readonly string[],
): Promise<void> {
  reachOf(actor, "fhir:import");
  if (changed.length > 0)
    await tx.query(
      "update fhir_sources set content = 'former' where row_id = any($1::uuid[]) and content = 'present'",
      [changed],
    );
  if (names.length === 0) return;
  const stored = await context.indexes.sources.stored(
    tx,
    names.map(({ token }) => token),
  );
  await tx.query(
    `insert into fhir_sources (subject_id, token, layer, row_id, kind, content)
     select x.subject_id, x.token, $3, x.row_id, x.kind, case when x.says then 'present' end
       from unnest($1::uuid[], $2::bytea[], $4::uuid[], $5::text[], $6::boolean[])
         as x (subject_id, token, row_id, kind, says)
     on conflict (subject_id, token, row_id) do update set content = excluded.content`,
    [
      names.map(({ subjectId }) => subjectId),
      stored.tokens,
      stored.layer,
      names.map(({ rowId }) => rowId),
      names.map(({ kind }) => kind),
      names.map(({ isContent }) => isContent),
    ],
  );
}

/** Lets every name of these rows stand for others. */
export async function moveNames(tx: Tx, actor: Actor, moves: readonly Move[]): Promise<void> {
  reachOf(actor, "fhir:import");
  if (moves.length === 0) return;
  await tx.query(
    `update fhir_sources s set row_id = x.next, kind = x.kind
       from unnest($1::uuid[], $2::uuid[], $3::text[]) as x (former, next, kind)
      where s.row_id = x.former`,
    [moves.map(({ from }) => from), moves.map(({ to }) => to), moves.map(({ kind }) => kind)],
  );
}
