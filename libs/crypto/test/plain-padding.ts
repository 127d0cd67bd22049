/** Padded lengths a second time, written from FORMATS.md alone: looked for instead of computed. */
export function plainPaddedLength(bytes: number): number {
  if (bytes <= 768) return 768;
  if (bytes <= 1_536) return 1_536;
  for (let doubling = 1_024; ; doubling *= 2) {
    for (let eighths = 8; eighths <= 16; eighths += 1) {
      const length = (doubling * eighths) / 8;
      if (length >= 2_048 && length >= bytes) return length;
    }
  }
}
