import type { Actor, ResourceAction } from "@medvault/contracts";
import type { SealedRow } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import type { ReachedChart } from "../access/access.store.ts";
import type { Basis } from "../access/basis.ts";
import { basisOf, reached, reachOf, survivorOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import { keptResources } from "../fhir/kept-resource.table.ts";
import { patients } from "../patients/patient.table.ts";
import { isDamaged } from "../resources/damaged-row.ts";
import type { Row } from "../resources/patient-owned.ts";
import type { PatientTable } from "../resources/patient-table.ts";
import { clinicalResources } from "./clinical-resources.ts";

/** Every table in which a resource may be, by how events call a row. */
export const KINDS: ReadonlyMap<string, PatientTable<Row>> = new Map(
  [patients, ...clinicalResources, keptResources].map((table) => [table.noun, table as PatientTable<Row>]),
);

/** An opened row, and the key to seal it again. */
export interface Opened {
  readonly table: PatientTable<Row>;
  readonly value: Row;
  readonly subjectKey: Buffer;
}

const CHARTS = `select x.id as asked, p.id, k.wrapped, ${basisOf("p.id", 2)}
       from unnest($1::uuid[]) as x (id)
       join patients p on p.id = ${survivorOf("x.id")}
       join subject_keys k on k.subject_id = p.id
      where ${reached("p.id", 2)}`;

/** The charts to which ids lead, of those that the actor may write, by the id that was asked. */
export async function findCharts(
  db: Db,
  actor: Actor,
  ids: readonly string[],
): Promise<Map<string, ReachedChart>> {
  const { scope, userId } = reachOf(actor, "patient:write");
  if (ids.length === 0) return new Map();
  const { rows } = await db.query<{ asked: string; id: string; wrapped: Buffer; basis: Basis | null }>(
    CHARTS,
    [ids, scope, userId],
  );
  return new Map(
    rows.map(({ asked, id, wrapped, basis }) => [asked, { patientId: id, subjectKey: wrapped, basis }]),
  );
}

const TABLES = [...KINDS.values()];
const of = (table: PatientTable<Row>): string => `"${table.layout.subject}"`;

/** Where a row is, and under whom. */
export interface Found {
  readonly id: string;
  readonly kind: string;
  readonly subjectId: string;
}

const FIND = TABLES.map(
  (
    table,
  ) => `select r.id, '${table.noun}' as kind, r.${of(table)} as "subjectId" from "${table.layout.table}" r
      where r.id = any($1::uuid[]) and (${reached(`r.${of(table)}`, 2, table.layout.part)} or r.${of(table)} = $3)`,
).join("\n     union all ");

/** The rows of these ids that the actor reaches with a permission, whatever they are. */
export async function findRows(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  ids: readonly string[],
): Promise<Map<string, Found>> {
  const { scope, userId } = reachOf(actor, permission);
  if (ids.length === 0) return new Map();
  const { rows } = await db.query<Found>(FIND, [ids, scope, userId]);
  return new Map(rows.map((row) => [row.id, row]));
}

/**
 * Opens rows under subjects for whom the caller found that the actor may load. What is damaged, or
 * not there any more, is left out.
 */
export async function openRows(
  db: Db,
  { keyring }: Context,
  actor: Actor,
  subjectIds: readonly string[],
  byKind: ReadonlyMap<string, readonly string[]>,
): Promise<Map<string, Opened>> {
  reachOf(actor, "fhir:import");
  const opened = new Map<string, Opened>();
  for (const [kind, ids] of byKind) {
    const table = KINDS.get(kind);
    if (!table || ids.length === 0) continue;
    const { rows } = await db.query<SealedRow & { id: string }>(
      `${table.statements.rows}
      where r.id = any($1::uuid[]) and r.${of(table)} = any($2::uuid[])`,
      [ids, subjectIds],
    );
    for (const row of rows) {
      const value = table.open(keyring, row);
      if (!isDamaged(value)) opened.set(row.id, { table, value, subjectKey: row.subject_key });
    }
  }
  return opened;
}

/**
 * Locks rows of a table until the transaction ends, in one order. False where one is not at the
 * revision before its value's any more.
 */
export async function lockRows(
  tx: Tx,
  actor: Actor,
  { layout }: PatientTable<Row>,
  values: readonly Row[],
): Promise<boolean> {
  reachOf(actor, "fhir:import");
  const { rows } = await tx.query<Row>(
    `select id, rev from "${layout.table}" where id = any($1::uuid[]) order by id for update`,
    [values.map(({ id }) => id)],
  );
  const revs = new Map(rows.map(({ id, rev }) => [id, rev]));
  return values.every(({ id, rev }) => revs.get(id) === rev - 1);
}

/** Which version a row is, and since when. */
export interface Head {
  readonly version: number;
  readonly at: Date;
}

const HEADS = TABLES.map(({ layout }) => {
  const columns = new Set(layout.typed.map(({ column }) => column));
  const [version, at] = [
    columns.has("version") ? "version" : "rev",
    columns.has("updated_at") ? "updated_at" : "created_at",
  ];
  return `select id, ${version} as version, ${at} as at from "${layout.table}" where id = any($1::uuid[])`;
}).join("\n     union all ");

/** The versions of rows that the caller has found. */
export async function findHeads(tx: Tx, actor: Actor, ids: readonly string[]): Promise<Map<string, Head>> {
  reachOf(actor, "fhir:import");
  if (ids.length === 0) return new Map();
  const { rows } = await tx.query<Head & { id: string }>(HEADS, [ids]);
  return new Map(rows.map((row) => [row.id, row]));
}

/** Takes kept resources away that became rows of their own; their former versions stay. */
export async function removeKept(tx: Tx, actor: Actor, ids: readonly string[]): Promise<void> {
  reachOf(actor, "fhir:import");
  if (ids.length > 0) await tx.query("delete from fhir_resources where id = any($1::uuid[])", [ids]);
}
