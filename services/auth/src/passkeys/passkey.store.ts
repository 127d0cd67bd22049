import { VersionConflict } from "@medvault/contracts";
import { findSubjectKeys, type Keyring } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import type { WriteDetails } from "../accounts/account.store.ts";
import { blindToken } from "../tokens/blind-token.ts";
import { PasskeyKnown } from "./passkey.errors.ts";
import { sealedPasskeys } from "./passkey.table.ts";
import type { Challenge, ChallengePurpose, Passkey } from "./passkey.ts";

/** What opens and finds passkeys. */
export interface PasskeySeals {
  keyring: Keyring;
  blindKey: Buffer;
}

const FIELDS = `p.id, p.user_id, p.sign_count, p.created_at, p.last_used_at, p.rev, p.open, p.sealed,
            k.wrapped as subject_key`;

type Row = Parameters<typeof sealedPasskeys.open>[1] & {
  sign_count: number;
  created_at: Date;
  last_used_at: Date | null;
};

function toPasskey(keyring: Keyring, row: Row): Passkey {
  const opened = sealedPasskeys.open(keyring, row);
  return {
    ...opened,
    suspended: opened.suspended ?? false,
    signCount: row.sign_count,
    createdAt: row.created_at,
    lastUsedAt: row.last_used_at,
  };
}

/** Stores a new passkey. Throws PasskeyKnown; the transaction is then lost. */
export async function insertPasskey(tx: Tx, seals: PasskeySeals, passkey: Passkey): Promise<WriteDetails> {
  const { open, sealed } = sealedPasskeys.seal(seals.keyring, await subjectKey(tx, passkey), passkey);
  const { rowCount } = await tx.query(
    `insert into passkeys (id, user_id, credential_token, sign_count, created_at, last_used_at, rev, open, sealed)
     values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     on conflict (credential_token) do nothing`,
    [
      passkey.id,
      passkey.userId,
      credentialToken(seals, passkey.credentialId),
      passkey.signCount,
      passkey.createdAt,
      passkey.lastUsedAt,
      passkey.rev,
      open,
      sealed,
    ],
  );
  if (rowCount !== 1) throw new PasskeyKnown();
  return { rev: passkey.rev, boxSha256: sealedPasskeys.boxHash(sealed) };
}

/** Seals a changed passkey as its next rev. Throws VersionConflict when the row has another rev. */
export async function savePasskey(
  tx: Tx,
  keyring: Keyring,
  passkey: Passkey,
): Promise<{ passkey: Passkey; details: WriteDetails }> {
  const next = { ...passkey, rev: passkey.rev + 1 };
  const { open, sealed } = sealedPasskeys.seal(keyring, await subjectKey(tx, passkey), next);
  const { rowCount } = await tx.query(
    `update passkeys set rev = $3, open = $4, sealed = $5 where id = $1 and rev = $2`,
    [passkey.id, passkey.rev, next.rev, open, sealed],
  );
  if (rowCount !== 1) throw new VersionConflict();
  return { passkey: next, details: { rev: next.rev, boxSha256: sealedPasskeys.boxHash(sealed) } };
}

async function subjectKey(tx: Tx, passkey: Passkey): Promise<Buffer> {
  const key = (await findSubjectKeys(tx, [passkey.userId])).get(passkey.userId);
  if (!key) throw new VersionConflict(); // the user was deleted meanwhile
  return key;
}

/** The passkey whose credential this is, of any user, or null. */
export async function findPasskeyByCredential(
  db: Db,
  seals: PasskeySeals,
  credentialId: string,
): Promise<Passkey | null> {
  const { rows } = await db.query<Row>(
    `select ${FIELDS}
       from passkeys p join subject_keys k on k.subject_id = p.user_id
      where p.credential_token = $1`,
    [credentialToken(seals, credentialId)],
  );
  const passkey = rows[0] ? toPasskey(seals.keyring, rows[0]) : null;
  return passkey?.credentialId === credentialId ? passkey : null;
}

/** A user's passkeys, oldest first. */
export async function listPasskeys(db: Db, keyring: Keyring, userId: string): Promise<Passkey[]> {
  const { rows } = await db.query<Row>(
    `select ${FIELDS}
       from passkeys p join subject_keys k on k.subject_id = p.user_id
      where p.user_id = $1 order by p.id`,
    [userId],
  );
  return rows.map((row) => toPasskey(keyring, row));
}

/**
 * Notes a use. `stale`: the authenticator's count has not risen, as that of a copy of it would not.
 * A count of 0 that stays 0 is an authenticator that keeps none. `changed`: it is not as it was
 * found, suspended for example.
 */
export async function usePasskey(
  tx: Tx,
  { id, rev }: Passkey,
  signCount: number,
  now: Date,
): Promise<"used" | "stale" | "changed" | "gone"> {
  const { rows: used } = await tx.query<{ rev: number }>(
    `update passkeys set sign_count = $2, last_used_at = $3
      where id = $1 and (sign_count < $2 or (sign_count = 0 and $2 = 0)) returning rev`,
    [id, signCount, now],
  );
  if (used[0]) return used[0].rev === rev ? "used" : "changed";
  const { rows } = await tx.query(`select from passkeys where id = $1`, [id]);
  return rows.length === 1 ? "stale" : "gone";
}

/** None of a user's passkeys signs in alone until it was used with their password again. */
export async function suspendPasskeys(tx: Tx, keyring: Keyring, userId: string): Promise<void> {
  for (const passkey of await listPasskeys(tx, keyring, userId)) {
    if (!passkey.suspended) await savePasskey(tx, keyring, { ...passkey, suspended: true });
  }
}

/** Deletes one. */
export async function deletePasskey(tx: Tx, id: string): Promise<void> {
  await tx.query(`delete from passkeys where id = $1`, [id]);
}

/** In hex, since tokens know no case and base64url does. */
function credentialToken(seals: PasskeySeals, credentialId: string): Buffer {
  return blindToken(seals.blindKey, "passkey", Buffer.from(credentialId, "base64url").toString("hex"));
}

/** Stores what is to be signed, by its hash. */
export async function insertChallenge(db: Db, hash: Buffer, challenge: Challenge): Promise<void> {
  await db.query(
    `insert into passkey_challenges (hash, purpose, user_id, bound_to, expires_at) values ($1, $2, $3, $4, $5)`,
    [hash, challenge.purpose, challenge.userId, challenge.boundTo, challenge.expiresAt],
  );
}

/** Uses a challenge up, whatever it was for: of any number at once one caller gets it. */
export async function takeChallenge(db: Db, hash: Buffer): Promise<Challenge | null> {
  const { rows } = await db.query<{
    purpose: ChallengePurpose;
    user_id: string | null;
    bound_to: string | null;
    expires_at: Date;
  }>(`delete from passkey_challenges where hash = $1 returning purpose, user_id, bound_to, expires_at`, [
    hash,
  ]);
  const row = rows[0];
  return row
    ? { purpose: row.purpose, userId: row.user_id, boundTo: row.bound_to, expiresAt: row.expires_at }
    : null;
}
