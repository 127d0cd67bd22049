/** Padded lengths a second time, written from FORMATS.md alone: looked for instead of computed. */
export function plainPaddedLength(bytes: number): number {
  for (const length of [576, 768, 1_536]) if (bytes <= length) return length;
  for (let doubling = 1_024; ; doubling *= 2) {
    for (let eighths = 8; eighths <= 16; eighths += 1) {
      const length = (doubling * eighths) / 8;
      if (length >= bytes) return length;
    }
  }
}
