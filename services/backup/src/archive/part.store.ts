import { createReadStream, createWriteStream } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createOpenStream, createSealStream } from "@medvault/crypto";
import { BackupRefused } from "./archive.errors.ts";
import { type Part, partContext } from "./manifest.ts";
import { Measure } from "./measure.ts";

/** A backup's folder, and the key of its parts. */
export interface BackupFolder {
  readonly id: string;
  readonly folder: string;
  readonly key: Buffer;
}

/**
 * Seals `plain` into the file of a part. Resolves when it is on the disk, with what the manifest
 * says of both sides.
 */
export async function writePart(
  { id, folder, key }: BackupFolder,
  name: string,
  plain: Readable,
  { signal, onBytes }: { signal: AbortSignal; onBytes?: (bytes: number) => void },
): Promise<Pick<Part, "bytes" | "sha256" | "sealedBytes" | "sealedSha256">> {
  const before = new Measure({ onBytes });
  const after = new Measure();
  const seal = createSealStream(key, partContext(id, name));
  const out = createWriteStream(join(folder, "parts", name), { flags: "wx", mode: 0o600, flush: true });
  await pipeline(plain, before, seal, after, out, { signal });
  const sealed = after.result();
  return { ...before.result(), sealedBytes: sealed.bytes, sealedSha256: sealed.sha256 };
}

/**
 * The plain content of a part, proved chunk by chunk; the end of the stream says that it is whole
 * and has the hash that the manifest names. Throws `BackupRefused` part_missing or part_damaged:
 * keep nothing of a stream that failed.
 */
export async function* readPart(
  { id, folder, key }: BackupFolder,
  part: { name: string; sha256: string; sealedSha256: string },
): AsyncGenerator<Buffer> {
  const before = new Measure();
  const onEnd = () => {
    if (before.result().sha256 !== part.sealedSha256 || after.result().sha256 !== part.sha256) {
      throw new BackupRefused("part_damaged");
    }
  };
  const after = new Measure({ onEnd });
  const open = createOpenStream(key, partContext(id, part.name));
  const done = pipeline(createReadStream(join(folder, "parts", part.name)), before, open, after);
  done.catch(() => {}); // the iteration below meets the same error
  try {
    for await (const chunk of after) yield chunk as Buffer;
    await done;
  } catch (error) {
    throw refusalOf(error as NodeJS.ErrnoException);
  }
}

function refusalOf(error: NodeJS.ErrnoException): Error {
  if (error instanceof BackupRefused) return error;
  return new BackupRefused(error.code === "ENOENT" ? "part_missing" : "part_damaged", error);
}
