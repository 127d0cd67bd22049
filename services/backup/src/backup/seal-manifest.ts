import { createHash, type KeyObject } from "node:crypto";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { createOpenStream, createSealStream, publicKeyOf, verifyEd25519 } from "@medvault/crypto";
import { type Keyring, type SigningKey, signingKey, signingKeys } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import {
  Keyset,
  keysetFile,
  keysetPartName,
  keysetStatement,
  keysetText,
  withKeyset,
} from "../keysets/keyset.ts";
import { type Measured, measureFile, readSmallFile, writeDurably } from "./archive.ts";
import { BackupRefused, type RefusalReason } from "./backup.errors.ts";
import {
  keyContext,
  Manifest,
  manifestStatement,
  manifestText,
  partContext,
  SignedManifest,
} from "./manifest.ts";

/** The name of the key that signs manifests, in backup_sys.keys. */
export const MANIFEST_KEY = "manifests";
const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;

/** Writes the wrapped key and the signed, sealed manifest: the last two files of a backup. */
export async function writeManifest(
  folder: string,
  manifest: Manifest,
  key: Buffer,
  keyring: Keyring,
  signer: SigningKey,
): Promise<Measured> {
  await writeDurably(join(folder, "key"), keyring.wrap(key, keyContext(manifest.id)));
  const text = manifestText(manifest);
  const signature = signer.sign(manifestStatement(text));
  const sealed = await sealSigned(key, partContext(manifest.id, "manifest"), signer.kid, text, signature);
  await writeDurably(join(folder, "manifest"), sealed);
  return measureFile(join(folder, "manifest"));
}

/** Writes a keyset, signed and sealed, under its own hash, which is returned. It is not in force by that. */
export async function writeKeyset(backup: OpenedBackup, keyset: Keyset, signer: SigningKey): Promise<string> {
  const text = keysetText(keyset);
  const context = partContext(backup.id, keysetPartName);
  const signature = signer.sign(keysetStatement(text));
  const sealed = await sealSigned(backup.key, context, signer.kid, text, signature);
  const sha256 = createHash("sha256").update(sealed).digest("hex");
  await writeDurably(join(backup.folder, keysetFile(sha256)), sealed);
  return sha256;
}

function sealSigned(key: Buffer, context: Buffer, kid: string, text: string, signature: Buffer) {
  const signed: SignedManifest = { manifest: text, kid, signature: signature.toString("base64") };
  const plain = Readable.from([Buffer.from(JSON.stringify(signed))]);
  return buffer(plain.pipe(createSealStream(key, context)));
}

/** The hashes that a backup's row remembers. */
export interface ExpectedHashes {
  readonly manifestSha256: string;
  /** Of the keyset in force; null while that is the manifest's own. */
  readonly keysetSha256: string | null;
}

/** A backup's manifest, proved, and the key of its parts. Its key parts are those of the keyset in force. */
export interface OpenedBackup {
  id: string;
  folder: string;
  key: Buffer;
  manifest: Manifest;
}

/**
 * Opens a backup: the manifest on disk is the one that the database remembers, its key unwraps, it decrypts, and it is
 * signed by a key of this installation's; the same of its keyset. Throws `BackupRefused` with the first that is not so.
 */
export async function openBackup(
  db: Db,
  keyring: Keyring,
  folder: string,
  id: string,
  expected: ExpectedHashes,
): Promise<OpenedBackup> {
  const wrapped = await readSmallFile(join(folder, "key"), 4_096);
  if (!wrapped) throw new BackupRefused("key_missing");
  const sealed = await readSmallFile(join(folder, "manifest"), MAX_MANIFEST_BYTES);
  if (!sealed) throw new BackupRefused("manifest_missing");
  const { sha256 } = await measureFile(join(folder, "manifest"));
  if (sha256 !== expected.manifestSha256) throw new BackupRefused("manifest_changed");
  const key = unwrap(keyring, wrapped, id);
  const signed = await openSigned(sealed, key, partContext(id, "manifest"), "manifest_damaged");
  await demandSignature(db, keyring, signed, manifestStatement);
  const manifest = Manifest.safeParse(JSON.parse(signed.manifest));
  if (!manifest.success || manifest.data.id !== id) throw new BackupRefused("manifest_damaged");
  const opened = { id, folder, key, manifest: manifest.data };
  if (expected.keysetSha256 === null) return opened;
  const keyset = await openKeyset(db, keyring, opened, expected.keysetSha256);
  return { ...opened, manifest: withKeyset(opened.manifest, keyset) };
}

/** The keyset in force: an older one, or another's, is refused by its hash, and one made by somebody by its signature. */
async function openKeyset(
  db: Db,
  keyring: Keyring,
  { id, folder, key }: OpenedBackup,
  expectedSha256: string,
): Promise<Keyset> {
  const sealed = await readSmallFile(join(folder, keysetFile(expectedSha256)), MAX_MANIFEST_BYTES);
  if (!sealed) throw new BackupRefused("keyset_missing");
  if (createHash("sha256").update(sealed).digest("hex") !== expectedSha256)
    throw new BackupRefused("keyset_changed");
  const signed = await openSigned(sealed, key, partContext(id, keysetPartName), "keyset_damaged");
  await demandSignature(db, keyring, signed, keysetStatement);
  const keyset = Keyset.safeParse(JSON.parse(signed.manifest));
  if (!keyset.success || keyset.data.backupId !== id) throw new BackupRefused("keyset_damaged");
  return keyset.data;
}

function unwrap(keyring: Keyring, wrapped: Buffer, id: string): Buffer {
  try {
    return keyring.unwrap(wrapped, keyContext(id));
  } catch (error) {
    throw new BackupRefused("key_refused", error);
  }
}

async function openSigned(
  sealed: Buffer,
  key: Buffer,
  context: Buffer,
  reason: RefusalReason,
): Promise<SignedManifest> {
  try {
    const plain = Readable.from([sealed]).pipe(createOpenStream(key, context));
    return SignedManifest.parse(JSON.parse((await buffer(plain)).toString("utf8")));
  } catch (error) {
    throw new BackupRefused(reason, error);
  }
}

/**
 * The key in use is pinned by its private half, which only this installation's service key unwraps; a retired one is
 * known by its public half in backup_sys.keys.
 */
async function demandSignature(
  db: Db,
  keyring: Keyring,
  signed: SignedManifest,
  statementOf: (text: string) => Buffer,
): Promise<void> {
  const active = await signingKey(db, keyring, MANIFEST_KEY);
  const publicKey = active.kid === signed.kid ? active.publicKey : await retiredKey(db, signed.kid);
  const signature = Buffer.from(signed.signature, "base64");
  if (!publicKey || !verifyEd25519(publicKey, statementOf(signed.manifest), signature)) {
    throw new BackupRefused("signature_invalid");
  }
}

async function retiredKey(db: Db, kid: string): Promise<KeyObject | null> {
  const known = await signingKeys(db, MANIFEST_KEY);
  const found = known.find((key) => key.kid === kid && key.state === "retired");
  return found ? publicKeyOf(found.publicJwk) : null;
}
