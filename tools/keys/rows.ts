import { type Db, ddl, type ServiceName } from "@medvault/postgres";
import { tablesOf, tokenTablesOf } from "./tables.ts";

/** Per version of the service key, how many rows of each table open by keys that it wraps. */
export type RowCounts = ReadonlyMap<number, Readonly<Record<string, number>>>;

/** Reads every sealed table of the service once: about a second a million rows. */
export async function countRows(db: Db, service: ServiceName): Promise<RowCounts> {
  const counts = new Map<number, Record<string, number>>();
  const count = async (table: string, text: string) => {
    const { rows } = await db.query<{ version: Buffer; count: number }>(text);
    for (const { version, count } of rows) {
      const number = version.readUInt32BE(0);
      counts.set(number, { ...counts.get(number), [table]: count });
    }
  };
  for (const { declaration } of tablesOf(service)) {
    const { table, subject } = declaration;
    const text =
      "select substring(k.wrapped from 3 for 4) as version, count(*) as count from %I t join subject_keys k on k.subject_id = t.%I group by 1";
    await count(table, ddl(text, table, subject));
  }
  for (const { table } of tokenTablesOf(service)) {
    const text = `select substring(k.wrapped from 3 for 4) as version, (select count(*) from %I) as count
                    from keys k where k.kind = 'table' and k.name = %L and k.state = 'active'`;
    await count(table, ddl(text, table, table));
  }
  return counts;
}
