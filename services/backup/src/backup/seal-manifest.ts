import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { createOpenStream, createSealStream, publicKeyOf, verifyEd25519 } from "@medvault/crypto";
import { type Keyring, type SigningKey, signingKey, signingKeys } from "@medvault/keys";
import type { Db } from "@medvault/postgres";
import { type Measured, measureFile, readSmallFile, writeDurably } from "./archive.ts";
import { BackupRefused } from "./backup.errors.ts";
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
  const signed: SignedManifest = {
    manifest: text,
    kid: signer.kid,
    signature: signer.sign(manifestStatement(text)).toString("base64"),
  };
  const plain = Readable.from([Buffer.from(JSON.stringify(signed))]);
  const sealed = await buffer(plain.pipe(createSealStream(key, partContext(manifest.id, "manifest"))));
  await writeDurably(join(folder, "manifest"), sealed);
  return measureFile(join(folder, "manifest"));
}

/** A backup's manifest, proved, and the key of its parts. */
export interface OpenedBackup {
  id: string;
  folder: string;
  key: Buffer;
  manifest: Manifest;
}

/**
 * Opens a backup: the manifest on disk is the one that the database remembers (`expectedSha256`), its key unwraps,
 * it decrypts, and it is signed by a key of this installation's. Throws `BackupRefused` with the first that is not so.
 */
export async function openBackup(
  db: Db,
  keyring: Keyring,
  folder: string,
  id: string,
  expectedSha256: string,
): Promise<OpenedBackup> {
  const wrapped = await readSmallFile(join(folder, "key"), 4_096);
  if (!wrapped) throw new BackupRefused("key_missing");
  const sealed = await readSmallFile(join(folder, "manifest"), MAX_MANIFEST_BYTES);
  if (!sealed) throw new BackupRefused("manifest_missing");
  const { sha256 } = await measureFile(join(folder, "manifest"));
  if (sha256 !== expectedSha256) throw new BackupRefused("manifest_changed");
  const key = unwrap(keyring, wrapped, id);
  const signed = await openSigned(sealed, key, id);
  await demandSignature(db, keyring, signed);
  const manifest = Manifest.safeParse(JSON.parse(signed.manifest));
  if (!manifest.success || manifest.data.id !== id) throw new BackupRefused("manifest_damaged");
  return { id, folder, key, manifest: manifest.data };
}

function unwrap(keyring: Keyring, wrapped: Buffer, id: string): Buffer {
  try {
    return keyring.unwrap(wrapped, keyContext(id));
  } catch (error) {
    throw new BackupRefused("key_refused", error);
  }
}

async function openSigned(sealed: Buffer, key: Buffer, id: string): Promise<SignedManifest> {
  try {
    const plain = Readable.from([sealed]).pipe(createOpenStream(key, partContext(id, "manifest")));
    return SignedManifest.parse(JSON.parse((await buffer(plain)).toString("utf8")));
  } catch (error) {
    throw new BackupRefused("manifest_damaged", error);
  }
}

/**
 * The key in use is pinned by its private half, which only this installation's service key unwraps; a retired one is
 * known by its public half in backup_sys.keys.
 */
async function demandSignature(db: Db, keyring: Keyring, signed: SignedManifest): Promise<void> {
  const active = await signingKey(db, keyring, MANIFEST_KEY);
  const publicKey = active.kid === signed.kid ? active.publicKey : await retiredKey(db, signed.kid);
  const signature = Buffer.from(signed.signature, "base64");
  if (!publicKey || !verifyEd25519(publicKey, manifestStatement(signed.manifest), signature)) {
    throw new BackupRefused("signature_invalid");
  }
}

async function retiredKey(db: Db, kid: string): Promise<KeyObject | null> {
  const known = await signingKeys(db, MANIFEST_KEY);
  const found = known.find((key) => key.kid === kid && key.state === "retired");
  return found ? publicKeyOf(found.publicJwk) : null;
}
