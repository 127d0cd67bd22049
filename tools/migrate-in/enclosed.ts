import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import path from "node:path";
import type { Opener } from "./fernet.ts";
import { Refused } from "./row.ts";

/** A file of the source, opened. */
export interface OpenedFile {
  readonly bytes: Buffer;
  readonly sha256: string;
}

const MAX_FILE_BYTES = 16 * 1024 * 1024;
/** A token of base64url is a third longer than what it holds. */
const MAX_SEALED_BYTES = Math.ceil((MAX_FILE_BYTES + 128) * (4 / 3)) + 4;

/** Reads a file of the folder, and opens it where it is a Fernet token. Throws Refused. */
export async function openFile(folder: string | null, name: string, opener: Opener): Promise<OpenedFile> {
  if (folder === null)
    throw new Refused("no_files", "its file is left behind: say where files are by --files");
  const sealed = await read(path.join(folder, name));
  const isSealed = name.endsWith(".enc") || sealed.toString("latin1", 0, 6) === "gAAAAA";
  const bytes = isSealed ? unsealed(sealed, opener) : sealed;
  if (bytes.length === 0) throw new Refused("empty", "its file is empty");
  if (bytes.length > MAX_FILE_BYTES) throw new Refused("too_large", "its file is larger than 16 MiB");
  return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
}

async function read(file: string): Promise<Buffer> {
  // A link is not followed: what is in the folder is meant, and nothing elsewhere.
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => {
    throw new Refused("no_file", "its file is not in the folder of files");
  });
  try {
    const found = await handle.stat();
    if (!found.isFile()) throw new Refused("no_file", "its file is no ordinary file");
    if (found.size > MAX_SEALED_BYTES) throw new Refused("too_large", "its file is larger than 16 MiB");
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}

function unsealed(sealed: Buffer, opener: Opener): Buffer {
  if (!opener.hasKeys) throw new Refused("no_key", "its file is sealed: give --fernet-key-file");
  try {
    return opener.open(sealed.toString("latin1").trim());
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw new Refused("bad_file", "its file was changed or cut, or sealed by another key");
  }
}
