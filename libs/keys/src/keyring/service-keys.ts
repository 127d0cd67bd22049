import { randomBytes } from "node:crypto";
import type { Db } from "@medvault/postgres";
import { NoActiveKey } from "../errors.ts";
import type { Keyring } from "./keyring.ts";

export type KeyKind = "table" | "index" | "signing";

export interface StoredKey {
  readonly version: number;
  readonly wrapped: Buffer;
  readonly public: unknown;
}

/** The random key, 32 bytes, of a table or set of sealed objects; made at first use. Wipe it. */
export async function tableKey(db: Db, keyring: Keyring, name: string): Promise<Buffer> {
  return randomKey(db, keyring, "table", name);
}

/** As tableKey, and as it is stored. */
export async function tableKeyAndWrapped(
  db: Db,
  keyring: Keyring,
  name: string,
): Promise<{ key: Buffer; wrapped: Buffer }> {
  const { wrapped } = await activeRandomKey(db, keyring, "table", name);
  return { key: Buffer.from(keyring.opened(wrapped, ["table", name]).key), wrapped };
}

/** The key of a blind index, by name (`<table>.<field>`): as tableKey. */
export async function indexKey(db: Db, keyring: Keyring, name: string): Promise<Buffer> {
  return randomKey(db, keyring, "index", name);
}

async function randomKey(db: Db, keyring: Keyring, kind: "table" | "index", name: string): Promise<Buffer> {
  const stored = await activeRandomKey(db, keyring, kind, name);
  // A copy: the cache wipes its own when it is full.
  return Buffer.from(keyring.opened(stored.wrapped, [kind, name]).key);
}

const activeRandomKey = (db: Db, keyring: Keyring, kind: "table" | "index", name: string) =>
  activeKey(db, keyring, kind, name, () => ({ secret: randomBytes(32), public: null }));

/**
 * The active key of that kind and name, made when there is none. Two that make it at once end with
 * the same one. Always read from the database: memory could hold one that was rolled back.
 */
export async function activeKey(
  db: Db,
  keyring: Keyring,
  kind: KeyKind,
  name: string,
  make: () => { secret: Buffer; public: unknown },
): Promise<StoredKey> {
  const known = await findActiveKey(db, kind, name);
  if (known) return known;
  const made = make();
  try {
    const wrapped = keyring.wrap(made.secret, [kind, name]);
    await db.query(
      `insert into keys (kind, name, version, wrapped, public) values ($1, $2, 1, $3, $4) on conflict do nothing`,
      [kind, name, wrapped, made.public],
    );
  } finally {
    made.secret.fill(0);
  }
  const stored = await findActiveKey(db, kind, name);
  if (!stored) throw new NoActiveKey(); // version 1 is there and retired, and nothing came after it
  return stored;
}

async function findActiveKey(db: Db, kind: KeyKind, name: string): Promise<StoredKey | null> {
  const { rows } = await db.query<{ version: number; wrapped: Buffer; public: unknown }>(
    `select version, wrapped, public from keys where kind = $1 and name = $2 and state = 'active'`,
    [kind, name],
  );
  return rows[0] ?? null;
}
