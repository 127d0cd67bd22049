import type { Actor, NewEvent, ResourceAction } from "@medvault/contracts";
import type { IndexTokens, Sealed, SealedRow } from "@medvault/keys";
import { emitWith } from "@medvault/messaging";
import { type Db, PLANNED_EACH_TIME, type Tx } from "@medvault/postgres";
import type { Chart, ReachedChart } from "../access/access.store.ts";
import { reachOf } from "../access/reach.ts";
import type { Context } from "../context.ts";
import type { Found } from "./damaged-row.ts";
import type { Position } from "./paging.ts";
import type { Row } from "./patient-owned.ts";
import type { PatientTable } from "./patient-table.ts";
import { pageOf, parametersOf } from "./reached-rows.ts";
import { SOURCE } from "./resource.events.ts";
import type { Resource } from "./resource.ts";
import { changeable, type Layout } from "./statement.ts";

/** A row of a patient whom the actor reaches with this permission, or null. It may be damaged. */
export async function find<T extends Row>(
  db: Db,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  { open, statements }: PatientTable<T>,
  id: string,
): Promise<Found<T> | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await db.query<SealedRow>(statements.find, [id, scope, userId]);
  return rows[0] ? open(context.keyring, rows[0]) : null;
}

/**
 * The patient whose row it is, though the actor does not reach them: for the refusal's event alone.
 * Null where there is none.
 */
export async function whose(
  db: Db,
  actor: Actor,
  permission: ResourceAction,
  { statements }: Pick<PatientTable<never>, "statements">,
  id: string,
): Promise<string | null> {
  reachOf(actor, permission);
  const { rows } = await db.query<{ patient_id: string }>(statements.whose, [id]);
  return rows[0]?.patient_id ?? null;
}

/** A value, and the key to seal it again. */
export interface Locked<T extends Row> {
  value: Found<T>;
  subjectKey: Buffer;
}

/** As find, locked until the transaction ends. */
export async function lock<T extends Row>(
  tx: Tx,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  { open, statements }: PatientTable<T>,
  id: string,
): Promise<Locked<T> | null> {
  const { scope, userId } = reachOf(actor, permission);
  const { rows } = await tx.query<SealedRow>(statements.lock, [id, scope, userId]);
  const row = rows[0];
  return row ? { value: open(context.keyring, row), subjectKey: row.subject_key } : null;
}

/**
 * The rows that the actor may read, of one chart or of all, in the order of the list: at most
 * `limit`, after `after`.
 */
export async function page<T extends Row>(
  db: Db,
  context: Context,
  actor: Actor,
  { table, open, permissions, list }: Resource<T>,
  chart: Chart | null,
  query: Readonly<Record<string, unknown>>,
  after: Position | null,
  limit: number,
): Promise<Found<T>[]> {
  const reach = reachOf(actor, permissions.read);
  if (!list) throw new TypeError(`${table.declaration.table} declares no list`);
  const of = pageOf(chart, reach);
  const filters = list.filters.map((name) => query[name]);
  const isGiven = filters.map((value) => value !== undefined && value !== null);
  const values = [
    ...parametersOf(of, limit, reach, chart),
    ...filters.filter((_, at) => isGiven[at]),
    ...(after === null ? [] : [after.at, after.id]),
  ];
  const text = list.statements.text(of, isGiven, after !== null);
  const planned = list.statements.hasOwnPlan(isGiven) ? `${PLANNED_EACH_TIME} ${text}` : text;
  const { rows } = await db.query<SealedRow>(planned, values);
  return rows.map((row) => open(context.keyring, row));
}

/**
 * Stores new rows, in one statement. That the actor reaches their patients, the caller found in
 * this transaction. Gives how many there are now: fewer where a value that is unique was there
 * already.
 */
export async function insert<T extends Row>(
  tx: Tx,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  resource: PatientTable<T>,
  values: readonly T[],
  boxes: readonly Sealed[],
): Promise<number> {
  reachOf(actor, permission);
  if (values.length === 0) return 0;
  const arrays = await columnArrays(tx, context, resource, values, boxes);
  const { rowCount } = await tx.query(resource.statements.insert, arrays);
  return rowCount ?? 0;
}

/**
 * Stores a new row of a chart, its event, and the answer that is kept for the request's key, in one
 * statement that is a transaction of its own. False, and nothing is done: the actor does not reach
 * the patient any more, their key is another, or the request's key is taken.
 */
export async function createAtOnce<T extends Row>(
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  resource: PatientTable<T>,
  { patientId, subjectKey }: ReachedChart,
  value: T,
  box: Sealed,
  event: NewEvent,
  kept: readonly unknown[] | null,
): Promise<boolean> {
  const { scope, userId } = reachOf(actor, permission);
  const { create, createOnce } = resource.statements;
  const row = arraysOf(resource.layout, [value], [box], []).map(([only]) => only ?? null);
  return emitWith(context.pool, SOURCE, [event], {
    ctes: kept === null ? create : createOnce,
    done: "made",
    values: [...row, patientId, subjectKey, scope, userId, ...(kept ?? [])],
  });
}

/** As update, of many in one statement. False when another change of one of them was faster. */
export async function updateAll<T extends Row>(
  tx: Tx,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  resource: PatientTable<T>,
  values: readonly T[],
  boxes: readonly Sealed[],
): Promise<boolean> {
  const { scope, userId } = reachOf(actor, permission);
  const arrays = await columnArrays(tx, context, resource, values, boxes);
  const { rowCount } = await tx.query(resource.statements.updateAll, [...arrays, scope, userId]);
  return rowCount === values.length;
}

/** Rows as the statements for many take them: an array for each column. */
async function columnArrays<T extends Row>(
  tx: Tx,
  context: Context,
  { layout, table, isIndexed }: PatientTable<T>,
  values: readonly T[],
  boxes: readonly Sealed[],
): Promise<unknown[][]> {
  const tokens = isIndexed ? await context.indexes.of(table).tokensOfAll(tx, values) : [];
  return arraysOf(layout, values, boxes, tokens);
}

function arraysOf<T extends Row>(
  layout: Layout,
  values: readonly T[],
  boxes: readonly Sealed[],
  tokens: readonly IndexTokens[],
): unknown[][] {
  return [
    values.map(({ id }) => id),
    ...layout.typed.map(({ property }) => values.map((value) => value[property as keyof T])),
    ...layout.tokens.map((_, at) => tokens.map((of) => Object.values(of)[at] ?? null)),
    values.map(({ rev }) => rev),
    boxes.map(({ open }) => JSON.stringify(open)),
    boxes.map(({ sealed }) => sealed),
  ];
}

/** Replaces a row that was locked at this revision. False when another change was faster. */
export async function update<T extends Row>(
  tx: Tx,
  context: Context,
  actor: Actor,
  permission: ResourceAction,
  resource: PatientTable<T>,
  value: T,
  { open, sealed }: Sealed,
  formerRev: number,
): Promise<boolean> {
  const { scope, userId } = reachOf(actor, permission);
  const { layout, statements, isIndexed } = resource;
  const tokens = isIndexed ? await context.indexes.of(resource.table).tokens(tx, value) : {};
  const { rowCount } = await tx.query(statements.update, [
    value.id,
    ...changeable(layout).map(({ property }) => value[property as keyof T]),
    ...Object.values(tokens),
    value.rev,
    open,
    sealed,
    scope,
    userId,
    formerRev,
  ]);
  return rowCount === 1;
}

/** Notes that rows were hidden where a restore rewinds nothing, so that they stay hidden. */
export async function noteHidden(
  tx: Tx,
  actor: Actor,
  permission: ResourceAction,
  { layout }: Pick<PatientTable<never>, "layout">,
  rows: readonly Row[],
): Promise<void> {
  reachOf(actor, permission);
  if (rows.length === 0) return;
  await tx.query(
    `insert into hides (table_name, row_id, hidden_at) select $1, unnest($2::uuid[]), now()
     on conflict (table_name, row_id) do update set hidden_at = excluded.hidden_at`,
    [layout.table, rows.map(({ id }) => id)],
  );
}

/** Deletes a row at this revision. False when another change was faster. */
export async function remove(
  tx: Tx,
  actor: Actor,
  permission: ResourceAction,
  { statements }: Pick<PatientTable<never>, "statements">,
  { id, rev }: Row,
): Promise<boolean> {
  const { scope, userId } = reachOf(actor, permission);
  const { rowCount } = await tx.query(statements.remove, [id, rev, scope, userId]);
  return rowCount === 1;
}
