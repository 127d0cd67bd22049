import { setTimeout as delay } from "node:timers/promises";
import { DatabaseUnavailable, inTransaction, type Tx } from "@medvault/postgres";
import type pg from "pg";
import { KeyTablesBusy, KeyVersionNeeded } from "../errors.ts";
import { openKeyring } from "../keyring/keyring.ts";
import { noteKeys } from "../keyring/known-keys.store.ts";
import { activeVersion, labelsOf } from "../providers/key-document.ts";
import { changeKeyFile, readKeyFile } from "../providers/key-file.ts";
import { keyIdOf } from "../providers/key-id.ts";
import { assertRetired, type NewKey, withNextVersion, withoutVersion } from "../providers/key-versions.ts";
import { newKeyFor } from "../providers/new-key.ts";
import { noteLoggedVersion } from "./final-rotation.store.ts";
import { closeVersion, countWrappedBy } from "./wrapped-keys.store.ts";

// Any number that no other code locks in these databases.
const ROTATION_LOCK = 7_102_310;
const LOCK_NOT_AVAILABLE = "55P03";
const MAX_LOCK_ATTEMPTS = 25;
const LOCK_PAUSE_MS = 300;

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

/** Writes a change's event in its transaction. Details are counts, versions and stable codes. */
export type Audit = (tx: Tx, details: Readonly<Record<string, number | string>>) => Promise<void>;

/**
 * Makes a new version of the service key, active from now on; the one before unwraps what it
 * wrapped. The event is written before the file and committed after it: no database, no rotation.
 * Throws KeysDoNotFit where the file is not the one of the tables: an older copy would make a
 * version a second time.
 */
export async function rotateServiceKey(
  place: KeyPlace,
  audit: Audit,
): Promise<{ version: number; retired: number }> {
  await openKeyring(place.pool, place);
  const made = await newKeyFor(readKeyFile(place.keysFile, place.service).document);
  return inTransaction(place.pool, async (tx) => {
    await tx.query("select pg_advisory_xact_lock($1)", [ROTATION_LOCK]); // two rotations make two versions
    const { document } = readKeyFile(place.keysFile, place.service);
    const next = withNextVersion(document, made, new Date());
    const version = activeVersion(next);
    const retired = activeVersion(document);
    await audit(tx, { version, retired });
    await noteLoggedVersion(tx, version);
    await noteKeys(tx, new Map([[version, idOfNew(made)]]));
    await changeKeyFile(place.keysFile, place.service, (now) => withNextVersion(now, made, new Date()));
    return { version, retired };
  });
}

/**
 * Closes a retired version that no table needs any more, in the database: a writer who still wraps
 * under it is refused and has to try again, and a backup made from now on holds nothing of it.
 * Throws KeyVersionNeeded, or what assertRetired does.
 */
export async function retireVersion(place: KeyPlace, version: number, audit: Audit): Promise<void> {
  const { document } = readKeyFile(place.keysFile, place.service);
  assertRetired(document, version);
  await whenQuiet(place, async (tx) => {
    await closeVersion(tx, version, "retired");
    assertFree(version, await tableNeeds(tx, labelsOf(document, version)));
    await audit(tx, { version });
  });
}

/**
 * Takes a version's key away for good, if nothing needs it: counted while no key can be written,
 * then the database closes it, then the key leaves its file. Repeatable after a crash in between.
 * Throws KeyVersionNeeded (nothing has changed then), KeyTablesBusy, or what assertRetired does.
 */
export async function destroyVersion(
  place: KeyPlace,
  version: number,
  otherNeeds: readonly Need[],
  audit: Audit,
): Promise<void> {
  const { document } = readKeyFile(place.keysFile, place.service);
  assertRetired(document, version);
  await whenQuiet(place, async (tx) => {
    await closeVersion(tx, version, "destroyed");
    assertFree(version, [...(await tableNeeds(tx, labelsOf(document, version))), ...otherNeeds]);
    await audit(tx, { version });
  });
  await changeKeyFile(place.keysFile, place.service, (now) => withoutVersion(now, version, new Date()));
}

/** Runs work that locks the key tables once no writer holds them. KeyTablesBusy after some 15 s. */
async function whenQuiet(place: KeyPlace, work: (tx: Tx) => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await inTransaction(place.pool, work);
    } catch (error) {
      const cause = error instanceof DatabaseUnavailable ? (error.cause as { code?: unknown }) : null;
      if (cause?.code !== LOCK_NOT_AVAILABLE) throw error;
      if (attempt === MAX_LOCK_ATTEMPTS) throw new KeyTablesBusy();
      await delay(LOCK_PAUSE_MS * (0.5 + Math.random()));
    }
  }
}

/** Null where Vault made it: the first process that opens it notes it. */
function idOfNew(made: NewKey): Buffer | null {
  return "key" in made ? keyIdOf(Buffer.from(made.key, "base64")) : null;
}

async function tableNeeds(tx: Tx, labels: readonly number[]): Promise<Need[]> {
  const counts = await countWrappedBy(tx, labels);
  return counts.map(({ kind, count }) => ({ what: `${kind} keys`, count }));
}

function assertFree(version: number, needs: readonly Need[]): void {
  const left = needs.filter(({ count }) => count > 0);
  if (left.length > 0) throw new KeyVersionNeeded(version, left);
}
