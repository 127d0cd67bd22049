import { z } from "zod";
import { type Manifest, Part } from "./manifest.ts";

/**
 * The keys of a backup as they are now, in place of those that its manifest names: sealed with the
 * backup's key, signed, and in force only while the backup's row names its hash.
 */
export const Keyset = z.strictObject({
  format: z.literal("medvault-keyset/1"),
  backupId: z.uuid(),
  /** Counts the keysets of a backup; the manifest's own is 0. */
  generation: z.int().positive(),
  createdAt: z.iso.datetime(),
  parts: z.array(Part.extend({ kind: z.literal("keys") })).max(100),
});
export type Keyset = z.infer<typeof Keyset>;

/** Its file in the backup's folder: by its hash, a new one is never where the one in force is. */
export const keysetFile = (sha256: string): string => `keyset-${sha256}`;

/** Files of key tables among a backup's parts: the manifest's, and those of keysets after it. */
export const KEY_PART = /^[a-z]+_sys\.(keys|subject_keys)(\.[0-9a-f]{16})?$/;

/** The manifest with the keyset's parts in place of its own. */
export function withKeyset(manifest: Manifest, keyset: Keyset): Manifest {
  return { ...manifest, parts: [...manifest.parts.filter(({ kind }) => kind !== "keys"), ...keyset.parts] };
}
