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

/** Sealed bytes: where they are, what opens them, and whose they are. */
export interface SealedBytes {
  blob: string;
  sizeBytes: number;
  /** base64 */
  fileKey: string;
  /** What the bytes are bound to beside `id`. */
  service: string;
  id: string;
  onDamage: () => Promise<void>;
}

/**
 * Opens a file's blob and checks that it is whole: its last chunk authenticates, its length is the
 * row's. Throws `ContentDamaged`; `onDamage` is awaited before any such throw.
 */
export const openContent = (
  blobs: BlobStore,
  { blob, sizeBytes, fileKey, id }: StoredFile,
  onDamage: () => Promise<void>,
): Promise<Content> => openSealed(blobs, { blob, sizeBytes, fileKey, service: "files", id, onDamage });

/** As openContent, of anything in the store. */
export async function openSealed(
  blobs: BlobStore,
  { blob: name, sizeBytes, fileKey, service, id, onDamage }: SealedBytes,
): Promise<Content> {
  const key = Buffer.from(fileKey, "base64");
  const context = fileContext(service, id);
  const blob = await guarded(() => blobs.read(name), onDamage);
  try {
    await guarded(() => requireWhole(blob, key, context, sizeBytes), onDamage);
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

async function requireWhole(
  blob: BlobReader,
  key: Buffer,
  context: Buffer,
  sizeBytes: number,
): Promise<void> {
  const size = await authenticatedSize((at, length) => blob.read(at, length), key, context, blob.bytes);
  if (size !== sizeBytes) throw new ContentDamaged();
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
