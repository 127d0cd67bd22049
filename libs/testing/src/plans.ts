import { type Db, isPlannedOnce } from "@medvault/postgres";
import pg from "pg";

/** What one run of a statement read. */
interface Reading {
  readonly text: string;
  /** `generic`: by the one plan that a prepared statement may get for all values. */
  readonly mode: "custom" | "generic";
  /**
   * Rows that scans read in tables, and entries in indexes, whether they were of use or not;
   * functions' too.
   */
  readonly rows: number;
  readonly planMs: number;
  readonly runMs: number;
  readonly plan: string;
}

// What is read is counted where it is read, in this connection: what the plan says of its scans is
// rounded a loop, and leaves functions out.
const READ = `select coalesce(sum(pg_stat_get_xact_tuples_returned(oid)), 0)::int as rows
  from pg_class where relkind in ('r', 'i', 't') and relnamespace not in ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)`;

/**
 * What the statements of `work` read, by EXPLAIN ANALYZE: by a plan for their values, and by one
 * for any values where the services keep one. They answer nothing to `work`. `client` is one
 * connection.
 */
async function readingsOf(client: Db, work: (db: Db) => Promise<unknown>): Promise<Reading[]> {
  const readings: Reading[] = [];
  const db = {
    async query(text: string, values: readonly unknown[] = []) {
      for (const mode of isPlannedOnce(text) ? (["custom", "generic"] as const) : (["custom"] as const))
        readings.push(await explained(client, text, values, mode));
      return { rows: [], rowCount: 0 };
    },
  } as unknown as Db;
  await work(db);
  return readings;
}

/**
 * Those readings of `work`, in words, that read more rows than they may. Throws where there was no
 * statement.
 */
export async function readingsBeyond(
  client: Db,
  most: number,
  what: string,
  work: (db: Db) => Promise<unknown>,
): Promise<string[]> {
  const readings = await readingsOf(client, work);
  if (readings.length === 0) throw new Error(`${what}: no statement`);
  return readings.filter(({ rows }) => rows > most).map(({ mode, rows }) => `${what}, ${mode}: ${rows} rows`);
}

interface Explained {
  "QUERY PLAN": [{ "Planning Time": number; "Execution Time": number }];
}

async function explained(
  client: Db,
  text: string,
  values: readonly unknown[],
  mode: Reading["mode"],
): Promise<Reading> {
  await client.query("begin");
  try {
    await client.query(`set local plan_cache_mode = force_${mode}_plan`);
    await client.query(`prepare explained as ${text}`);
    const before = await client.query<{ rows: number }>(READ);
    const args = values.length > 0 ? `(${values.map(literal).join(", ")})` : "";
    const { rows } = await client.query<Explained>(
      `explain (analyze, buffers, format json) execute explained${args}`,
    );
    const after = await client.query<{ rows: number }>(READ);
    const [plan] = (rows[0] as Explained)["QUERY PLAN"];
    return {
      text,
      mode,
      rows: (after.rows[0]?.rows ?? 0) - (before.rows[0]?.rows ?? 0),
      planMs: plan["Planning Time"],
      runMs: plan["Execution Time"],
      plan: JSON.stringify(plan, null, 1),
    };
  } finally {
    await client.query("rollback");
    await client.query("deallocate all");
  }
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return "null";
  return pg.escapeLiteral(asText(value));
}

function asText(value: unknown): string {
  if (Buffer.isBuffer(value)) return `\\x${value.toString("hex")}`;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return `{${value.map((one) => JSON.stringify(asText(one))).join(",")}}`;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
