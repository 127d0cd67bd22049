import type { Db } from "@medvault/postgres";
import type { OutboxEvent } from "./envelope.ts";

/**
 * Inserts events into the outbox in one statement, in the order given. With a channel, anyone who
 * listens there hears of it at the commit.
 */
export async function insertEvents(
  db: Db,
  events: readonly OutboxEvent[],
  channel: string | null = null,
): Promise<void> {
  if (channel === null) await db.query(INSERT, valuesOf(events));
  else await db.query(INSERT_AND_NOTIFY, [...valuesOf(events), channel]);
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
  channel: string | null,
): Promise<boolean> {
  const all = [...values, ...valuesOf(events)];
  let texts = textsWith.get(ctes);
  if (texts === undefined) {
    const insert = insertSql(values.length, `exists (select from ${done})`);
    const notify = notifying(insert, all.length + 1);
    texts = { insert: `with ${ctes} ${insert}`, notify: `with ${ctes}, ${notify}` };
    textsWith.set(ctes, texts);
  }
  const { rowCount } =
    channel === null ? await db.query(texts.insert, all) : await db.query(texts.notify, [...all, channel]);
  return rowCount === events.length;
}

/** By the texts of changes, which are constants of the code, and so are few. */
const textsWith = new Map<string, { insert: string; notify: string }>();

/** The parameters of the events come after `before` others. */
function insertSql(before: number, condition: string): string {
  const [ids, audiences, types, texts] = [1, 2, 3, 4].map((n) => `$${before + n}`);
  return `insert into outbox (id, audience, type, event)
     select e.id, e.audience, e.type, e.event
       from unnest(${ids}::uuid[], ${audiences}::text[], ${types}::text[], ${texts}::text[]::json[])
            with ordinality as e (id, audience, type, event, n)
      where ${condition} order by e.n`;
}

/** As many rows as events; of the same notifications a commit sends one. */
const notifying = (insert: string, channelAt: number): string =>
  `put as (${insert} returning position) select pg_notify($${channelAt}, '') from put`;

const INSERT = insertSql(0, "true");
const INSERT_AND_NOTIFY = `with ${notifying(INSERT, 5)}`;

function valuesOf(events: readonly OutboxEvent[]): unknown[] {
  return [
    events.map((event) => event.id),
    events.map((event) => event.audience),
    events.map((event) => event.type),
    events.map((event) => event.json),
  ];
}
