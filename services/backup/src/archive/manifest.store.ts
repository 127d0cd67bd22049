import { createHash, type KeyObject } from "node:crypto";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import {
  canonicalJson,
  createOpenStream,
  createSealStream,
  publicKeyOf,
  statement,
  verifyEd25519,
} from "@medvault/crypto";
import { signingKey, signingKeys, writeDurably } from "@medvault/keys";
import type { z } from "zod";
import type { ArchiveContext } from "../context.ts";
import { BackupRefused } from "./archive.errors.ts";
import { folderOf, readSmallFile } from "./archive.store.ts";
import { Keyset, keysetFile, withKeyset } from "./keyset.ts";
import { keyContext, Manifest, partContext, SignedDocument } from "./manifest.ts";
import type { Measured } from "./measure.ts";
import type { BackupFolder } from "./part.store.ts";

/** The name of the key that signs manifests and keysets, in backup_sys.keys. */
const SIGNING_KEY = "manifests";
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

type KeyContext = Pick<ArchiveContext, "pool" | "keyring">;

/** A kind of document of a backup. What is signed or sealed as one never passes as the other. */
interface Kind<T> {
  readonly name: "manifest" | "keyset";
  readonly schema: z.ZodType<T>;
  readonly backupOf: (document: T) => string;
}
const MANIFEST: Kind<Manifest> = { name: "manifest", schema: Manifest, backupOf: ({ id }) => id };
const KEYSET: Kind<Keyset> = { name: "keyset", schema: Keyset, backupOf: ({ backupId }) => backupId };

/** Writes the wrapped key and the signed, sealed manifest: the last two files of a backup. */
export async function writeManifest(
  context: KeyContext,
  backup: BackupFolder,
  manifest: Manifest,
): Promise<Measured> {
  const wrapped = context.keyring.wrap(backup.key, keyContext(backup.id));
  await writeDurably(join(backup.folder, "key"), wrapped);
  const sealed = await sealSigned(context, backup, MANIFEST, manifest);
  await writeDurably(join(backup.folder, "manifest"), sealed);
  return { bytes: sealed.length, sha256: sha256Of(sealed) };
}

/** Writes a keyset, signed and sealed, under its hash, which is returned. Not yet in force. */
export async function writeKeyset(
  context: KeyContext,
  backup: BackupFolder,
  keyset: Keyset,
): Promise<string> {
  const sealed = await sealSigned(context, backup, KEYSET, keyset);
  const sha256 = sha256Of(sealed);
  await writeDurably(join(backup.folder, keysetFile(sha256)), sealed);
  return sha256;
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
 * decrypts, and it is signed by a key of this installation; the same of its keyset, so that an
 * older one, or that of another backup, is refused. Throws `BackupRefused` with the first that is
 * not so.
 */
export async function openBackup(
  context: KeyContext & Pick<ArchiveContext, "archiveDir">,
  id: string,
  { manifestSha256, keysetSha256 }: ExpectedHashes,
): Promise<OpenedBackup> {
  const folder = folderOf(context.archiveDir, id);
  const wrapped = await readSmallFile(join(folder, "key"), 4_096);
  if (!wrapped) throw new BackupRefused("key_missing");
  const sealed = await readSealed(join(folder, "manifest"), MANIFEST, manifestSha256);
  const backup = { id, folder, key: unwrap(context, wrapped, id) };
  const manifest = await openSigned(context, backup, MANIFEST, sealed);
  if (keysetSha256 === null) return { ...backup, manifest };
  const sealedKeyset = await readSealed(join(folder, keysetFile(keysetSha256)), KEYSET, keysetSha256);
  const keyset = await openSigned(context, backup, KEYSET, sealedKeyset);
  return { ...backup, manifest: withKeyset(manifest, keyset) };
}

async function sealSigned<T>(
  { pool, keyring }: KeyContext,
  { id, key }: BackupFolder,
  { name }: Kind<T>,
  document: T,
): Promise<Buffer> {
  const signer = await signingKey(pool, keyring, SIGNING_KEY);
  const text = canonicalJson(document);
  const signature = signer.sign(statement(`backup-${name}`, text)).toString("base64");
  const signed: SignedDocument = { manifest: text, kid: signer.kid, signature };
  const plain = Readable.from([Buffer.from(JSON.stringify(signed))]);
  return buffer(plain.pipe(createSealStream(key, partContext(id, name))));
}

async function readSealed<T>(path: string, { name }: Kind<T>, sha256: string): Promise<Buffer> {
  const sealed = await readSmallFile(path, MAX_DOCUMENT_BYTES);
  if (!sealed) throw new BackupRefused(`${name}_missing`);
  if (sha256Of(sealed) !== sha256) throw new BackupRefused(`${name}_changed`);
  return sealed;
}

async function openSigned<T>(
  context: KeyContext,
  { id, key }: BackupFolder,
  { name, schema, backupOf }: Kind<T>,
  sealed: Buffer,
): Promise<T> {
  const damage = (cause?: unknown) => new BackupRefused(`${name}_damaged`, cause);
  const plain = Readable.from([sealed]).pipe(createOpenStream(key, partContext(id, name)));
  const signed = await buffer(plain)
    .then((bytes) => SignedDocument.parse(JSON.parse(bytes.toString("utf8"))))
    .catch((error: unknown) => Promise.reject(damage(error)));
  await requireSignature(context, signed, statement(`backup-${name}`, signed.manifest));
  const document = schema.safeParse(JSON.parse(signed.manifest));
  if (!document.success || backupOf(document.data) !== id) throw damage();
  return document.data;
}

function unwrap({ keyring }: KeyContext, wrapped: Buffer, id: string): Buffer {
  try {
    return keyring.unwrap(wrapped, keyContext(id));
  } catch (error) {
    throw new BackupRefused("key_refused", error);
  }
}

/**
 * The key in use is pinned by its private half, which only this installation's service key unwraps;
 * a retired one is known by its public half in backup_sys.keys.
 */
async function requireSignature(
  { pool, keyring }: KeyContext,
  { kid, signature }: SignedDocument,
  signed: Buffer,
): Promise<void> {
  const active = await signingKey(pool, keyring, SIGNING_KEY);
  const publicKey = active.kid === kid ? active.publicKey : await retiredKey(pool, kid);
  if (!publicKey || !verifyEd25519(publicKey, signed, Buffer.from(signature, "base64"))) {
    throw new BackupRefused("signature_invalid");
  }
}

async function retiredKey(pool: KeyContext["pool"], kid: string): Promise<KeyObject | null> {
  const known = await signingKeys(pool, SIGNING_KEY);
  const found = known.find((key) => key.kid === kid && key.state === "retired");
  return found ? publicKeyOf(found.publicJwk) : null;
}

const sha256Of = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
