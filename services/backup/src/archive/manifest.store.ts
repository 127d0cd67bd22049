import { createHash, type KeyObject } from "node:crypto";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { createOpenStream, createSealStream, publicKeyOf, verifyEd25519 } from "@medvault/crypto";
import { signingKey, signingKeys, writeDurably } from "@medvault/keys";
import type { ArchiveContext } from "../context.ts";
import { BackupRefused, type RefusalReason } from "./archive.errors.ts";
import { folderOf, measureFile, readSmallFile } from "./archive.store.ts";
import { KEYSET_PART, Keyset, keysetFile, keysetStatement, keysetText, withKeyset } from "./keyset.ts";
import {
  keyContext,
  Manifest,
  manifestStatement,
  manifestText,
  partContext,
  SignedManifest,
} from "./manifest.ts";
import type { Measured } from "./measure.ts";
import type { BackupFolder } from "./part.store.ts";

/** The name of the key that signs manifests, in backup_sys.keys. */
const MANIFEST_KEY = "manifests";
const MAX_MANIFEST_BYTES = 16 * 1024 * 1024;

type KeyContext = Pick<ArchiveContext, "pool" | "keyring">;

/** Writes the wrapped key and the signed, sealed manifest: the last two files of a backup. */
export async function writeManifest(
  { pool, keyring }: ArchiveContext,
  { folder, key }: BackupFolder,
  manifest: Manifest,
): Promise<Measured> {
  await writeDurably(join(folder, "key"), keyring.wrap(key, keyContext(manifest.id)));
  const signer = await signingKey(pool, keyring, MANIFEST_KEY);
  const text = manifestText(manifest);
  const signature = signer.sign(manifestStatement(text));
  const sealed = await sealSigned(key, partContext(manifest.id, "manifest"), signer.kid, text, signature);
  await writeDurably(join(folder, "manifest"), sealed);
  return measureFile(join(folder, "manifest"));
}

/** Writes a keyset, signed and sealed, under its hash, which is returned. Not yet in force. */
export async function writeKeyset(
  { pool, keyring }: ArchiveContext,
  { id, folder, key }: BackupFolder,
  keyset: Keyset,
): Promise<string> {
  const signer = await signingKey(pool, keyring, MANIFEST_KEY);
  const text = keysetText(keyset);
  const signature = signer.sign(keysetStatement(text));
  const sealed = await sealSigned(key, partContext(id, KEYSET_PART), signer.kid, text, signature);
  const sha256 = createHash("sha256").update(sealed).digest("hex");
  await writeDurably(join(folder, keysetFile(sha256)), sealed);
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

/** A backup with its manifest, proved. Its key parts are those of the keyset in force. */
export interface OpenedBackup extends BackupFolder {
  readonly manifest: Manifest;
}

/**
 * Opens a backup: the manifest on disk is the one that the database remembers, its key unwraps, it
 * decrypts, and it is signed by a key of this installation; the same of its keyset. Throws
 * `BackupRefused` with the first that is not so.
 */
export async function openBackup(
  context: Pick<ArchiveContext, "pool" | "keyring" | "archiveDir">,
  id: string,
  expected: ExpectedHashes,
): Promise<OpenedBackup> {
  const folder = folderOf(context.archiveDir, id);
  const wrapped = await readSmallFile(join(folder, "key"), 4_096);
  if (!wrapped) throw new BackupRefused("key_missing");
  const sealed = await readSmallFile(join(folder, "manifest"), MAX_MANIFEST_BYTES);
  if (!sealed) throw new BackupRefused("manifest_missing");
  const { sha256 } = await measureFile(join(folder, "manifest"));
  if (sha256 !== expected.manifestSha256) throw new BackupRefused("manifest_changed");
  const key = unwrap(context.keyring, wrapped, id);
  const signed = await openSigned(sealed, key, partContext(id, "manifest"), "manifest_damaged");
  await requireSignature(context, signed, manifestStatement);
  const manifest = Manifest.safeParse(JSON.parse(signed.manifest));
  if (!manifest.success || manifest.data.id !== id) throw new BackupRefused("manifest_damaged");
  const opened = { id, folder, key, manifest: manifest.data };
  if (expected.keysetSha256 === null) return opened;
  const keyset = await openKeyset(context, opened, expected.keysetSha256);
  return { ...opened, manifest: withKeyset(opened.manifest, keyset) };
}

/**
 * The keyset in force: an older one, or that of another backup, is refused by its hash, and one
 * that was made elsewhere by its signature.
 */
async function openKeyset(
  context: KeyContext,
  { id, folder, key }: BackupFolder,
  expectedSha256: string,
): Promise<Keyset> {
  const sealed = await readSmallFile(join(folder, keysetFile(expectedSha256)), MAX_MANIFEST_BYTES);
  if (!sealed) throw new BackupRefused("keyset_missing");
  if (createHash("sha256").update(sealed).digest("hex") !== expectedSha256)
    throw new BackupRefused("keyset_changed");
  const signed = await openSigned(sealed, key, partContext(id, KEYSET_PART), "keyset_damaged");
  await requireSignature(context, signed, keysetStatement);
  const keyset = Keyset.safeParse(JSON.parse(signed.manifest));
  if (!keyset.success || keyset.data.backupId !== id) throw new BackupRefused("keyset_damaged");
  return keyset.data;
}

function unwrap(keyring: KeyContext["keyring"], wrapped: Buffer, id: string): Buffer {
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
 * The key in use is pinned by its private half, which only this installation's service key unwraps;
 * a retired one is known by its public half in backup_sys.keys.
 */
async function requireSignature(
  { pool, keyring }: KeyContext,
  signed: SignedManifest,
  statementOf: (text: string) => Buffer,
): Promise<void> {
  const active = await signingKey(pool, keyring, MANIFEST_KEY);
  const publicKey = active.kid === signed.kid ? active.publicKey : await retiredKey(pool, signed.kid);
  const signature = Buffer.from(signed.signature, "base64");
  if (!publicKey || !verifyEd25519(publicKey, statementOf(signed.manifest), signature)) {
    throw new BackupRefused("signature_invalid");
  }
}

async function retiredKey(pool: KeyContext["pool"], kid: string): Promise<KeyObject | null> {
  const known = await signingKeys(pool, MANIFEST_KEY);
  const found = known.find((key) => key.kid === kid && key.state === "retired");
  return found ? publicKeyOf(found.publicJwk) : null;
}
