import { readFileSync } from "node:fs";
import pg from "pg";
import { inject } from "vitest";
import type { Ops } from "./system.ts";

/** ops.json of this test run's MedVault, as it is now. */
export function ops(): Ops {
  return JSON.parse(readFileSync(inject("opsFile"), "utf8")) as Ops;
}

/** Runs one statement as Postgres' superuser. */
export async function asSuperuser(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: ops().postgres.superuser });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}
