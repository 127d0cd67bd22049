import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";

/** What the makers of vectors share: bytes and ids that follow from a label, and a file's place. */
export function labelled(label: string, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, n) =>
    createHash("sha256").update(`medvault vector ${label} ${n}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

export const ID = (n: number): string => `0190b3c4-0000-7000-8000-${String(n).padStart(12, "0")}`;

export function shake(label: string, length: number): Buffer {
  return createHash("shake256", { outputLength: length }).update(label).digest();
}

export function write(name: string, content: object): void {
  const file = new URL(`../vectors/${name}.json`, import.meta.url);
  writeFileSync(file, `${JSON.stringify(content, null, 2)}\n`);
}

export const flipped = (bytes: Buffer, at: number): Buffer => {
  const changed = Buffer.from(bytes);
  changed[at] = (changed[at] ?? 0) ^ 1;
  return changed;
};
