import { FieldOutOfRange } from "./errors.ts";

/**
 * Prescriptions and patients written by hand fit the first, signed records the second, imported
 * prescriptions with their originals the third, so that a name in them decides nothing. Finer or
 * coarser steps tell more, or cost more: `npm run bench -- index-leakage` measures both.
 */
const SMALL = [576, 768, 1_536] as const;
const STEPS_PER_DOUBLING_LOG2 = 3;
const MAX_BYTES = 2 ** 30;
const SPACE = 0x20;

/**
 * How long a plaintext of `bytes` is made before it is sealed, so that its length tells little:
 * 576, 768, 1,536, and then one of eight steps to each doubling (FORMATS.md, "Padding"). What is
 * padded stays as it is. Throws FieldOutOfRange above 1 GiB.
 */
export function paddedLength(bytes: number): number {
  if (!Number.isInteger(bytes) || bytes < 0 || bytes > MAX_BYTES) throw new FieldOutOfRange("a plaintext");
  const small = SMALL.find((length) => bytes <= length);
  if (small !== undefined) return small;
  const step = 2 ** (31 - Math.clz32(bytes - 1) - STEPS_PER_DOUBLING_LOG2);
  return Math.ceil(bytes / step) * step;
}

/** Every padded length up to 1 GiB, rising. */
export function paddedLengths(): number[] {
  const lengths: number[] = [];
  for (let length = paddedLength(0); ; length = paddedLength(length + 1)) {
    lengths.push(length);
    if (length === MAX_BYTES) return lengths;
  }
}

/** A JSON text as UTF-8, with spaces after it up to its padded length: it parses to the same. */
export function paddedJson(text: string): Buffer {
  const bytes = Buffer.byteLength(text);
  const padded = Buffer.allocUnsafe(paddedLength(bytes));
  padded.write(text);
  return padded.fill(SPACE, bytes);
}
