import type { KeyObject } from "node:crypto";
import {
  type Ed25519PublicJwk,
  generateSeed,
  privateKeyOf,
  publicJwkOf,
  publicKeyOf,
  signEd25519,
  thumbprintOf,
} from "@medvault/crypto";
import type { Db, Tx } from "@medvault/postgres";
import type { Keyring } from "./keyring.ts";
import { activeKey } from "./service-keys.ts";

/** An Ed25519 key of the service, ready to sign. */
export interface SigningKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly version: number;
  readonly publicKey: KeyObject;
  readonly publicJwk: Ed25519PublicJwk;
  readonly privateKey: KeyObject;
  /** 64 bytes (RFC 8032). */
  sign(bytes: Buffer): Buffer;
}

export interface PublicSigningKey {
  readonly kid: string;
  readonly version: number;
  readonly publicJwk: Ed25519PublicJwk;
  readonly state: "active" | "retired" | "destroyed";
  readonly createdAt: Date;
}

/** The active signing key of that name, made at first use, race-safe. */
export async function signingKey(db: Db, keyring: Keyring, name: string): Promise<SigningKey> {
  const stored = await activeKey(db, keyring, "signing", name, generate);
  const seed = keyring.unwrap(stored.wrapped, ["signing", name]);
  try {
    const privateKey = privateKeyOf(seed);
    // From the private key, not the column: from a changed one we would publish another's key.
    const publicJwk = publicJwkOf(privateKey);
    return {
      kid: thumbprintOf(publicJwk),
      version: stored.version,
      publicKey: publicKeyOf(publicJwk),
      publicJwk,
      privateKey,
      sign: (bytes) => signEd25519(privateKey, bytes),
    };
  } finally {
    seed.fill(0);
  }
}

/** Every signing key of that name, newest first, with its public half: retired ones verify. */
export async function signingKeys(db: Db, name: string): Promise<PublicSigningKey[]> {
  const { rows } = await db.query<{
    version: number;
    public: Ed25519PublicJwk;
    state: PublicSigningKey["state"];
    created_at: Date;
  }>(
    `select version, public, state, created_at from keys where kind = 'signing' and name = $1 order by version desc`,
    [name],
  );
  return rows.map((row) => ({
    kid: thumbprintOf(row.public),
    version: row.version,
    publicJwk: row.public,
    state: row.state,
    createdAt: row.created_at,
  }));
}

/** Retires the active key and makes another, in a transaction. Of two at once, both rotate. */
export async function rotateSigningKey(tx: Tx, keyring: Keyring, name: string): Promise<SigningKey> {
  await signingKey(tx, keyring, name);
  // The first version's row is the lock: what follows sees what the one before us committed.
  await tx.query(`select from keys where kind = 'signing' and name = $1 and version = 1 for update`, [name]);
  const retired = await tx.query<{ version: number }>(
    `update keys set state = 'retired' where kind = 'signing' and name = $1 and state = 'active' returning version`,
    [name],
  );
  const version = (retired.rows[0]?.version ?? 0) + 1;
  const made = generate();
  const wrapped = keyring.wrap(made.secret, ["signing", name], version);
  made.secret.fill(0);
  await tx.query(
    `insert into keys (kind, name, version, wrapped, public) values ('signing', $1, $2, $3, $4)`,
    [name, version, wrapped, made.public],
  );
  return signingKey(tx, keyring, name);
}

function generate(): { secret: Buffer; public: Ed25519PublicJwk } {
  const secret = generateSeed();
  return { secret, public: publicJwkOf(privateKeyOf(secret)) };
}
