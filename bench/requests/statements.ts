import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import type pg from "pg";
import type { Ops } from "../../e2e/support/system.ts";
import type { Shares } from "./usage.ts";

const SETTINGS = { log_statement: "'all'", log_line_prefix: "'%u '" };

/**
 * The statements that each service sends while `work` runs, as Postgres logs them: those of relays,
 * consumers and jobs too. Each is a round trip.
 */
export async function statementsDuring(
  { dirs }: Ops,
  superuser: pg.Client,
  work: () => Promise<unknown>,
): Promise<Shares> {
  const log = path.join(dirs.logs, "postgres.log");
  for (const [name, value] of Object.entries(SETTINGS))
    await superuser.query(`alter system set ${name} = ${value}`);
  try {
    await superuser.query("select pg_reload_conf()");
    await shown(superuser, "all");
    const from = statSync(log).size;
    await work();
    const text = readFileSync(log).subarray(from).toString();
    const counts: Record<string, number> = {};
    for (const [, service = ""] of text.matchAll(/^medvault_(\w+) LOG: {2}(?:execute|statement)/gm))
      counts[service] = (counts[service] ?? 0) + 1;
    return counts;
  } finally {
    for (const name of Object.keys(SETTINGS)) await superuser.query(`alter system reset ${name}`);
    await superuser.query("select pg_reload_conf()");
    await shown(superuser, "none");
  }
}

/** Until a reload has reached the connections. */
async function shown(client: pg.Client, expected: string): Promise<void> {
  for (let tries = 0; tries < 1_000; tries += 1) {
    const { rows } = await client.query<{ log_statement: string }>("show log_statement");
    if (rows[0]?.log_statement === expected) return;
  }
  throw new Error(`Postgres did not take up log_statement = ${expected}`);
}
