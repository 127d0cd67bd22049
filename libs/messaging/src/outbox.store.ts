import type { Db } from "@medvault/postgres";
import type { OutboxEvent } from "./envelope.ts";

/** Inserts events into the outbox in one statement, in the order given. */
export async function insertEvents(db: Db, events: readonly OutboxEvent[]): Promise<void> {
  await db.query(insertSql(0, "true"), valuesOf(events));
}

/** A change that its events are written with; its text is constant, as every statement's is. */
export interface WithChange {
  /** Common table expressions, `name as (insert …), …`, with parameters from $1 on. */
  readonly ctes: string;
  /** The one of them whose rows say that the change has happened. */
  readonly done: string;
  readonly values: readonly unknown[];
}

/** The change and, if it happened, its events in the same statement; says whether it did. */
export async function insertEventsWith(
  db: Db,
  events: readonly OutboxEvent[],
  { ctes, done, values }: WithChange,
): Promise<boolean> {
  const insert = insertSql(values.length, `exists (select from ${done})`);
  const { rowCount } = await db.query(`with ${ctes} ${insert}`, [...values, ...valuesOf(events)]);
  return rowCount === events.length;
}

/** The parameters of the events come after `before` others. */
function insertSql(before: number, condition: string): string {
  const [ids, audiences, types, texts] = [1, 2, 3, 4].map((n) => `$${before + n}`);
  return `insert into outbox (id, audience, type, event)
     select e.id, e.audience, e.type, e.event
       from unnest(${ids}::uuid[], ${audiences}::text[], ${types}::text[], ${texts}::text[]::json[])
            with ordinality as e (id, audience, type, event, n)
      where ${condition} order by e.n`;
}

function valuesOf(events: readonly OutboxEvent[]): unknown[] {
  return [
    events.map((event) => event.id),
    events.map((event) => event.audience),
    events.map((event) => event.type),
    events.map((event) => event.json),
  ];
}
