import { hash } from "node:crypto";
import type { Db, Tx } from "@medvault/postgres";
import { type ExpectedRow, lineOf } from "./expected-row.ts";

/** Before the hash of a list that is a part of this one. */
const PART = "+";

const sha256Of = (lines: string): string => hash("sha256", lines, "hex");

/**
 * Keeps what many rows were left as, for the event that has the hash: what was changed in the list
 * is found by it. Gives the hash.
 */
export async function keepManifest(tx: Tx, rows: readonly ExpectedRow[]): Promise<string> {
  const lines = rows.map(lineOf).sort().join("\n");
  const sha256 = sha256Of(lines);
  if (rows.length > 0)
    await tx.query("insert into row_manifests (sha256, lines) values ($1, $2) on conflict do nothing", [
      sha256,
      lines,
    ]);
  return sha256;
}

/** Whether rows were put back by a restore that the log does not have yet. */
export async function isRestoreAwaited(db: Db): Promise<boolean> {
  return (await db.query("select from row_manifests where awaited limit 1")).rowCount === 1;
}

/** The log has it. */
export async function noteLogged(tx: Tx, sha256: string): Promise<void> {
  await tx.query("update row_manifests set awaited = false where sha256 = $1 and awaited", [sha256]);
}

/** The lines of a list, part by part; null for a part that is lost, or is not what was kept. */
export async function* manifestLines(db: Db, sha256: string): AsyncGenerator<string[] | null> {
  const lines = await manifestOf(db, sha256);
  if (!lines?.[0]?.startsWith(PART)) return yield lines;
  for (const part of lines) yield await manifestOf(db, part.slice(PART.length));
}

async function manifestOf(db: Db, sha256: string): Promise<string[] | null> {
  const { rows } = await db.query<{ lines: string }>("select lines from row_manifests where sha256 = $1", [
    sha256,
  ]);
  const lines = rows[0]?.lines;
  return lines === undefined || sha256Of(lines) !== sha256 ? null : lines.split("\n");
}
