import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { type AnnouncedErasure, ERASED } from "@medvault/contracts";
import { canonicalJson, type Ed25519PublicJwk, erasureHash, type SignedErasure } from "@medvault/crypto";
import { writeDurably } from "@medvault/keys";
import type { Db, Tx } from "@medvault/postgres";
import { z } from "zod";
import { readSmallFile } from "../archive/archive.store.ts";

const Entry = z.object({
  number: z.int().positive(),
  patientIds: z.array(z.uuid()).min(1),
  erasedAt: z.iso.datetime(),
  previous: z.string().nullable(),
  publicKey: z.object({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), x: z.string() }),
  signature: z.string(),
});
const MAX_ENTRY_BYTES = 128 * 1024;
const FILE = /^\d{10}\.json$/;

const folderOf = (root: string) => join(root, "erasure-ledger");

async function exists(db: Db, table: string): Promise<boolean> {
  const { rows } = await db.query<{ there: boolean }>("select to_regclass($1) is not null as there", [table]);
  return rows[0]?.there === true;
}

export const entryOf = (erasure: AnnouncedErasure): SignedErasure => ({
  number: erasure.number,
  patientIds: erasure.patientIds,
  erasedAt: erasure.erasedAt,
  previous: erasure.previous,
  publicKey: { kty: "OKP", crv: "Ed25519", x: erasure.publicKey },
  signature: erasure.signature,
});

/** False where another entry has its number. */
export async function insertCopy(tx: Tx, entry: SignedErasure): Promise<boolean> {
  await tx.query("insert into erasures (number, entry) values ($1, $2) on conflict do nothing", [
    entry.number,
    entry,
  ]);
  const { rows } = await tx.query<{ entry: SignedErasure }>("select entry from erasures where number = $1", [
    entry.number,
  ]);
  return rows[0] !== undefined && erasureHash(rows[0].entry) === erasureHash(entry);
}

/** Writes the entry into the directory of backups, as a file of its own. */
export async function writeCopy(root: string, entry: SignedErasure): Promise<void> {
  await mkdir(folderOf(root), { recursive: true, mode: 0o700 });
  const name = `${String(entry.number).padStart(10, "0")}.json`;
  await writeDurably(join(folderOf(root), name), canonicalJson(entry as never));
}

/** The entries in the directory, by number. Throws where one cannot be read. */
export async function readCopies(root: string): Promise<SignedErasure[]> {
  const names = (await readdir(folderOf(root)).catch(() => [])).filter((name) => FILE.test(name)).sort();
  const entries: SignedErasure[] = [];
  for (const name of names) {
    const bytes = await readSmallFile(join(folderOf(root), name), MAX_ENTRY_BYTES);
    entries.push(Entry.parse(JSON.parse(bytes?.toString("utf8") ?? "")));
  }
  return entries;
}

/** The ledger of records, by number; empty where its table is lost. */
export async function readLedger(db: Db): Promise<SignedErasure[]> {
  if (!(await exists(db, "records_sys.erasure_ledger"))) return [];
  const { rows } = await db.query<SignedErasure & { at: Date; bytes: Buffer }>(
    `select number, patient_ids as "patientIds", erased_at as at, previous, public_key as "publicKey",
            signature as bytes from records_sys.erasure_ledger order by number`,
  );
  return rows.map(({ at, bytes, ...entry }) => ({
    ...entry,
    erasedAt: at.toISOString(),
    signature: bytes.toString("base64"),
  }));
}

/** The keys by which records has ever signed its ledger. */
export async function readLedgerKeys(db: Db): Promise<Ed25519PublicJwk[]> {
  const { rows } = await db.query<{ public: Ed25519PublicJwk }>(
    "select public from records_sys.keys where kind = 'signing' and name = 'erasure-ledger'",
  );
  return rows.map((row) => row.public);
}

/** How many erasures the audit log knows of; null where it is not in this database. */
export async function countLogged(db: Db): Promise<number | null> {
  if (!(await exists(db, "audit.log"))) return null;
  const { rows } = await db.query<{ count: number }>(
    "select count(*)::int as count from audit.log where type = $1 and outcome = 'success'",
    [ERASED],
  );
  return rows[0]?.count ?? 0;
}

/** The last entry that backup has a copy of: a manifest names it. */
export async function lastCopy(db: Db): Promise<{ number: number; sha256: string } | null> {
  const { rows } = await db.query<{ entry: SignedErasure }>(
    "select entry from backup_sys.erasures order by number desc limit 1",
  );
  return rows[0] ? { number: rows[0].entry.number, sha256: erasureHash(rows[0].entry) } : null;
}
