import { KeyDocumentInvalid, KeyFileChanged } from "../errors.ts";
import type { KeyVersionEntry, VaultPlace } from "../providers/key-document.ts";
import { changeKeyFile, hasChanged, readKeyFile } from "../providers/key-file.ts";
import { orRefused } from "../providers/new-key.ts";
import { TransitFault, transitDecrypt, transitEncrypt } from "../providers/vault.client.ts";
import { assertSafePlace } from "../providers/vault-provider.ts";

/**
 * Has Vault wrap every key of a key file, from which the plain ones then disappear: the same keys,
 * so that nothing need be rewrapped. Each is decrypted once for proof before the file is replaced,
 * which `around` may do in a transaction of its own. Throws VaultRefused, KeyFileChanged, or
 * KeyDocumentInvalid when Vault wraps them already; nothing has changed then.
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
