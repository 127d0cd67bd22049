import { ddl } from "@medvault/postgres";
import pg from "pg";

export type Row = Readonly<Record<string, unknown>>;

/** Every column of every row of every table, by `schema.table`, as a thief reads them. */
export type Dump = ReadonlyMap<string, readonly Row[]>;

const SCHEMAS = ["records", "records_sys"];

/** Runs `work` as one who may read everything, but has no key. */
export async function asThief<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export const dumpOf = (url: string): Promise<Dump> =>
  asThief(url, async (client) => {
    const { rows: tables } = await client.query<{ schema: string; name: string }>(
      `select table_schema as schema, table_name as name from information_schema.tables
        where table_schema = any($1) and table_type = 'BASE TABLE' order by 1, 2`,
      [SCHEMAS],
    );
    const dump = new Map<string, readonly Row[]>();
    for (const { schema, name } of tables) {
      const { rows } = await client.query<Row>(ddl("select * from %I.%I", schema, name));
      dump.set(`${schema}.${name}`, rows);
    }
    return dump;
  });
