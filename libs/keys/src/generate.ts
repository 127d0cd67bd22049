import { randomBytes } from "node:crypto";
import { link, mkdir, open, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a service's key file with one active version, mode 0600, in a folder of mode 0700. A file that exists is kept:
 * what it opens could never be opened again. Returns which of the two happened. Safe against a crash and against
 * another process doing the same.
 */
export async function generateKeyFile(path: string, service: string): Promise<"made" | "kept"> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const key = randomBytes(32);
  const version = {
    version: 1,
    state: "active",
    key: key.toString("base64"),
    createdAt: new Date().toISOString(),
  };
  const draft = `${path}.${randomBytes(6).toString("hex")}.new`;
  try {
    await writeDurably(draft, `${JSON.stringify({ service, versions: [version] }, null, 2)}\n`);
    await link(draft, path); // unlike a rename, a link never replaces
    await syncFolder(folder);
    return "made";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return "kept";
    throw error;
  } finally {
    key.fill(0);
    await rm(draft, { force: true });
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
