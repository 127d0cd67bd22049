import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createKeyring, type Keyring } from "@medvault/keys";
import { generateKeyFile } from "@medvault/keys/operations";

/** A keyring with random keys. It is in memory: the file is gone when this returns. */
export async function testKeyring(service: string): Promise<Keyring> {
  const folder = await mkdtemp(join(tmpdir(), "medvault-keys-"));
  try {
    const keysFile = join(folder, `${service}.json`);
    await generateKeyFile(keysFile, service);
    return await createKeyring({ service, keysFile });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
