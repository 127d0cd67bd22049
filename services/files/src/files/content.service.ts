import { authenticatedSize, ChunkedRefused, fileContext, openRange } from "@medvault/crypto";
import { markRecorded } from "@medvault/service-kit";
import type { BlobReader, BlobStore } from "./blob.store.ts";
import { ContentDamaged } from "./file.errors.ts";
import type { StoredFile } from "./file.ts";

/** A file's plain bytes. */
export interface Content {
  /**
   * Bytes from `start` up to, not including, `end`; each chunk is authenticated before it is
   * yielded. Throws `ContentDamaged` after the last good chunk.
   */
  read(start: number, end: number): AsyncGenerator<Buffer>;
  close(): Promise<void>;
}

/**
 * Opens a file's blob and checks that it is whole: its last chunk authenticates, its length is the
 * row's. Throws `ContentDamaged`; `onDamage` is awaited before any such throw.
 */
export async function openContent(
  blobs: BlobStore,
  file: StoredFile,
  onDamage: () => Promise<void>,
): Promise<Content> {
  const key = Buffer.from(file.fileKey, "base64");
  const context = fileContext("files", file.id);
  const blob = await guarded(() => blobs.read(file.blob), onDamage);
  try {
    await guarded(() => requireWhole(blob, key, context, file), onDamage);
  } catch (error) {
    await blob.close();
    throw error;
  }
  return {
    async *read(start, end) {
      const chunks = openRange((at, length) => blob.read(at, length), key, context, start, end);
      for (;;) {
        const next = await guarded(() => chunks.next(), onDamage);
        if (next.done) return;
        yield next.value;
      }
    },
    async close() {
      key.fill(0);
      await blob.close();
    },
  };
}

async function requireWhole(blob: BlobReader, key: Buffer, context: Buffer, file: StoredFile): Promise<void> {
  const size = await authenticatedSize((at, length) => blob.read(at, length), key, context, blob.bytes);
  if (size !== file.sizeBytes) throw new ContentDamaged();
}

async function guarded<T>(work: () => Promise<T>, onDamage: () => Promise<void>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isDamage(error)) throw error;
    await onDamage();
    // Noted here, where file and patient are known.
    throw markRecorded(new ContentDamaged());
  }
}

/** What does not decrypt, what is gone, and what the disk cannot read. */
function isDamage(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return (
    error instanceof ChunkedRefused || error instanceof ContentDamaged || code === "ENOENT" || code === "EIO"
  );
}
