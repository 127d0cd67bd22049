import { randomBytes } from "node:crypto";
import type { Db } from "@medvault/postgres";
import { KeyVersionDestroyed } from "../errors.ts";
import type { Keyring } from "./keyring.ts";

// Raised by the trigger on the key tables (migrations/0002_service_key_versions.sql).
const VERSION_CLOSED = "40001";

interface SubjectKeyRow {
  subject_id: string;
  wrapped: Buffer;
}

/** A new random key for a subject, wrapped, and stored nowhere yet. */
export function newSubjectKey(keyring: Keyring, subjectId: string): Buffer {
  const key = randomBytes(32);
  try {
    return keyring.wrap(key, ["subject", subjectId]);
  } finally {
    key.fill(0);
  }
}

/**
 * Stores wrapped keys made by newSubjectKey, in one statement. Returns what is stored now, by
 * subject: where a key was there already (or another transaction was faster) that is the older one,
 * and what was sealed meanwhile is sealed again.
 */
export async function insertSubjectKeys(
  db: Db,
  keys: ReadonlyMap<string, Buffer>,
): Promise<Map<string, Buffer>> {
  const ids = [...keys.keys()].sort(); // one order for all: two writers of the same subjects wait instead of deadlocking
  const stored = new Map<string, Buffer>();
  if (ids.length === 0) return stored;
  const inserted = await db.query<SubjectKeyRow>(
    `insert into subject_keys (subject_id, wrapped)
     select * from unnest($1::uuid[], $2::bytea[])
     on conflict (subject_id) do nothing
     returning subject_id, wrapped`,
    [ids, ids.map((id) => keys.get(id))],
  );
  for (const row of inserted.rows) stored.set(row.subject_id, row.wrapped);
  const missing = ids.filter((id) => !stored.has(id));
  for (const [id, wrapped] of await findSubjectKeys(db, missing)) stored.set(id, wrapped);
  return stored;
}

/**
 * Whether something failed because a wrapped key that was held for a while is under a version that
 * was closed or destroyed meanwhile: what was prepared with it is to be prepared again, once.
 */
export function isKeyOutdated(error: unknown): boolean {
  return error instanceof KeyVersionDestroyed || (error as { code?: unknown }).code === VERSION_CLOSED;
}

/** These subjects' wrapped keys, made where missing: race-safe. Ids are lower-case UUIDs. */
export async function createSubjectKeys(
  db: Db,
  keyring: Keyring,
  subjectIds: readonly string[],
): Promise<Map<string, Buffer>> {
  const known = await findSubjectKeys(db, subjectIds);
  const missing = [...new Set(subjectIds)].filter((id) => !known.has(id));
  const made = new Map(missing.map((id) => [id, newSubjectKey(keyring, id)]));
  for (const [id, wrapped] of await insertSubjectKeys(db, made)) known.set(id, wrapped);
  return known;
}

/** The wrapped key of a subject, made if there is none; race-safe. */
export async function createSubjectKey(db: Db, keyring: Keyring, subjectId: string): Promise<Buffer> {
  const stored = await insertSubjectKeys(db, new Map([[subjectId, newSubjectKey(keyring, subjectId)]]));
  const wrapped = stored.get(subjectId);
  // Only a shred between the two statements, or an id in another spelling, comes here.
  if (wrapped === undefined) throw new TypeError("a subject id is a lower-case UUID");
  return wrapped;
}

/** The wrapped keys that these subjects have. A subject without one is not in the map. */
export async function findSubjectKeys(db: Db, subjectIds: readonly string[]): Promise<Map<string, Buffer>> {
  if (subjectIds.length === 0) return new Map();
  const { rows } = await db.query<SubjectKeyRow>(
    `select subject_id, wrapped from subject_keys where subject_id = any($1::uuid[])`,
    [subjectIds],
  );
  return new Map(rows.map((row) => [row.subject_id, row.wrapped]));
}
