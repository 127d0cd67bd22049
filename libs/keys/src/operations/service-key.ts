import { randomBytes } from "node:crypto";
import { inTransaction, type Tx } from "@medvault/postgres";
import type pg from "pg";
import { KeyVersionNeeded } from "../errors.ts";
import type { KeyDocument } from "../key-document.ts";
import { changeKeyFile, readKeyFile } from "../key-file.ts";
import { assertRetired, type NewKey, withNextVersion, withoutVersion } from "../key-versions.ts";
import { closeVersion, countWrapped } from "./wrapped-keys.store.ts";

/** The key file of a service and the pool of its own role. */
export interface KeyPlace {
  readonly service: string;
  readonly keysFile: string;
  readonly pool: pg.Pool;
}

/** What besides the key tables is wrapped under a version: archives of backups, say. */
export interface Need {
  readonly what: string;
  readonly count: number;
}

/** Writes the event of a change in that change's transaction. */
export type Audit = (tx: Tx, details: Readonly<Record<string, number>>) => Promise<void>;

/**
 * Makes a new version of the service key, active from now on; the one before unwraps what it wrapped. The event is
 * written before the file and committed after it: a database that is away means no rotation.
 */
export async function rotateServiceKey(
  place: KeyPlace,
  audit: Audit,
): Promise<{ version: number; retired: number }> {
  const made = await newKey(readKeyFile(place.keysFile, place.service).document);
  return inTransaction(place.pool, async (tx) => {
    const { document } = readKeyFile(place.keysFile, place.service);
    const next = withNextVersion(document, made, new Date());
    const version = activeOf(next);
    const retired = activeOf(document);
    await audit(tx, { version, retired });
    await changeKeyFile(place.keysFile, place.service, (now) => withNextVersion(now, made, new Date()));
    return { version, retired };
  });
}

/**
 * Closes a retired version in the database: whoever still tries to wrap under it is sent back to try anew. Throws what
 * assertRetired does.
 */
export async function retireVersion(place: KeyPlace, version: number, audit: Audit): Promise<void> {
  assertRetired(readKeyFile(place.keysFile, place.service).document, version);
  await inTransaction(place.pool, async (tx) => {
    await closeVersion(tx, version, "retired");
    await audit(tx, { version });
  });
}

/**
 * Takes a version's key away for good, if nothing needs it: counted while no key can be written, then the database
 * closes it, then the key leaves its file. Repeatable after a crash in between. Throws KeyVersionNeeded (nothing has
 * changed then), or what assertRetired does; DatabaseUnavailable when writers kept the tables busy.
 */
export async function destroyVersion(
  place: KeyPlace,
  version: number,
  otherNeeds: readonly Need[],
  audit: Audit,
): Promise<void> {
  assertRetired(readKeyFile(place.keysFile, place.service).document, version);
  await inTransaction(place.pool, async (tx) => {
    await closeVersion(tx, version, "destroyed");
    const needs = [...(await tableNeeds(tx, version)), ...otherNeeds].filter(({ count }) => count > 0);
    if (needs.length > 0) throw new KeyVersionNeeded(version, needs);
    await audit(tx, { version });
  });
  await changeKeyFile(place.keysFile, place.service, (now) => withoutVersion(now, version, new Date()));
}

async function tableNeeds(tx: Tx, version: number): Promise<Need[]> {
  const counts = (await countWrapped(tx)).get(version);
  return Object.entries(counts ?? {}).map(([kind, count]) => ({ what: `${kind} keys`, count }));
}

function activeOf(document: KeyDocument): number {
  return document.versions.find(({ state }) => state === "active")?.version ?? 0;
}

async function newKey(_document: KeyDocument): Promise<NewKey> {
  const key = randomBytes(32);
  try {
    return { key: key.toString("base64") };
  } finally {
    key.fill(0);
  }
}
