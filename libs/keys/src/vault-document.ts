import { randomBytes } from "node:crypto";
import { KeyDocumentInvalid, KeyFileChanged, VaultRefused } from "./errors.ts";
import type { KeyDocument, KeyVersionEntry, VaultPlace } from "./key-document.ts";
import { changeKeyFile, hasChanged, readKeyFile } from "./key-file.ts";
import type { NewKey } from "./key-versions.ts";
import { TransitFault, transitDecrypt, transitEncrypt, transitNewKey } from "./vault-client.ts";
import { assertSafePlace } from "./vault-provider.ts";

/** A key for a document's next version: Vault's own where Vault wraps, else 32 random bytes. Throws VaultRefused. */
export async function newKeyFor({ vault }: KeyDocument): Promise<NewKey> {
  if (vault) return { wrapped: await orRefused(() => transitNewKey(vault)) };
  const key = randomBytes(32);
  try {
    return { key: key.toString("base64") };
  } finally {
    key.fill(0);
  }
}

/**
 * Has Vault wrap every key of a key file, from which the plain ones then disappear: the same keys, so that nothing need be
 * rewrapped. Each is decrypted once for proof before the file is replaced, which `around` may do in a transaction of its
 * own. Throws VaultRefused, KeyFileChanged, or KeyDocumentInvalid when Vault wraps them already; nothing has changed then.
 */
export async function moveKeysToVault(
  path: string,
  service: string,
  vault: VaultPlace,
  around: (replace: () => Promise<unknown>) => Promise<unknown> = (replace) => replace(),
): Promise<void> {
  assertSafePlace(vault, path);
  const { document, stamp } = readKeyFile(path, service);
  if (document.vault) throw new KeyDocumentInvalid(path, ["its keys are wrapped by Vault already"]);
  const versions: KeyVersionEntry[] = [];
  for (const entry of document.versions) versions.push(await wrappedEntry(entry, vault));
  await around(() =>
    changeKeyFile(path, service, () => {
      if (hasChanged(path, stamp)) throw new KeyFileChanged(path);
      return { ...document, vault, versions };
    }),
  );
}

async function wrappedEntry({ key, ...entry }: KeyVersionEntry, vault: VaultPlace): Promise<KeyVersionEntry> {
  if (key === undefined) return entry;
  const bytes = Buffer.from(key, "base64");
  try {
    return await orRefused(async () => {
      const wrapped = await transitEncrypt(vault, bytes);
      const again = await transitDecrypt(vault, wrapped);
      if (!again.equals(bytes)) throw new TransitFault(0);
      again.fill(0);
      return { ...entry, wrapped };
    });
  } finally {
    bytes.fill(0);
  }
}

async function orRefused<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof TransitFault ? new VaultRefused(error.status) : error;
  }
}
