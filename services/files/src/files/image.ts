import type { Sample } from "./content.ts";

/** Markers of JPEG (T.81, table B.1); those between C0 and CF that begin no frame. */
const [SOI, EOI, SOS] = [0xd8, 0xd9, 0xda];
const NO_FRAME = [0xc4, 0xc8, 0xcc];

const RIFF_HEADER_BYTES = 8;
const GIF_HEADER_BYTES = 13;

/** Segments from the start of an image to its first scan or its end, as far as the sample goes. */
export function isJpeg({ head, size }: Sample): boolean {
  if (head.toString("hex", 0, 2) !== "ffd8") return false;
  let frame = false;
  let at = 2;
  for (let segments = 0; ; segments++) {
    while (head[at] === 0xff && head[at + 1] === 0xff) at++; // fill bytes (T.81, B.1.1.2)
    if (at + 4 > head.length && size > head.length) return segments > 0 && at < size;
    const marker = head[at + 1] ?? 0;
    if (head[at] !== 0xff || marker < 0xc0) return false;
    if (marker === EOI) return segments > 0;
    if (marker === SOS) return frame;
    if ((marker >= 0xd0 && marker <= SOI) || at + 4 > head.length) return false;
    frame ||= marker <= 0xcf && !NO_FRAME.includes(marker);
    const length = head.readUInt16BE(at + 2);
    at += 2 + length;
    if (length < 2 || at > size) return false;
  }
}

/** The signature, and a header of some width and height (PNG 5.2, 11.2.1). */
export function isPng({ head }: Sample): boolean {
  return (
    head.length >= 33 &&
    head.toString("hex", 0, 16) === "89504e470d0a1a0a0000000d49484452" &&
    head.readUInt32BE(16) > 0 &&
    head.readUInt32BE(20) > 0
  );
}

/** The screen's descriptor, its colours, then an extension or an image (GIF89a, 18 to 26). */
export function isGif({ head }: Sample): boolean {
  if (!/^GIF8[79]a$/.test(head.toString("latin1", 0, 6)) || head.length <= GIF_HEADER_BYTES) return false;
  const flags = head[10] ?? 0;
  const at = GIF_HEADER_BYTES + (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  return head[at] === 0x2c || (head[at] === 0x21 && [0x01, 0xf9, 0xfe, 0xff].includes(head[at + 1] ?? 0));
}

/** A RIFF container whose length fits and whose first chunk is an image (RFC 9649, 2.4 to 2.7). */
export function isWebp({ head, size }: Sample): boolean {
  return (
    head.length >= 20 &&
    head.toString("latin1", 0, 4) === "RIFF" &&
    /^WEBPVP8[ LX]$/.test(head.toString("latin1", 8, 16)) &&
    // A pad byte at the end may be left out.
    head.readUInt32LE(4) + RIFF_HEADER_BYTES <= size + 1
  );
}

/** The header of a TIFF or BigTIFF whose first directory lies inside the file, often at its end. */
export function isTiff({ head, size }: Sample): boolean {
  if (head.length < 8) return false;
  const order = head.toString("latin1", 0, 2);
  if (order !== "II" && order !== "MM") return false;
  const little = order === "II";
  const short = (at: number) => (little ? head.readUInt16LE(at) : head.readUInt16BE(at));
  if (short(2) === 42) {
    const directoryAt = little ? head.readUInt32LE(4) : head.readUInt32BE(4);
    return directoryAt >= 8 && directoryAt < size;
  }
  if (short(2) !== 43 || short(4) !== 8 || short(6) !== 0 || head.length < 16) return false;
  const directoryAt = little ? head.readBigUInt64LE(8) : head.readBigUInt64BE(8);
  return directoryAt >= 16n && directoryAt < BigInt(size);
}

/** Says so of itself: `ftyp` with a brand of HEIC, HEIF or AVIF (ISO/IEC 23008-12, 10.2). */
export function saysHeif(head: Buffer): boolean {
  return /^ftyp(?:hei[cmsx]|hev[cmsx]|mif[12]|msf1|avi[fs])/.test(head.toString("latin1", 4, 12));
}

/** That, and boxes (ISO/IEC 14496-12, 4.2) that follow each other to the end of the file. */
export function isHeif({ head, size }: Sample): boolean {
  if (!saysHeif(head)) return false;
  let at = 0;
  while (at + 8 <= head.length) {
    if (!/^[\x20-\x7e]{4}$/.test(head.toString("latin1", at + 4, at + 8))) return false;
    const short = head.readUInt32BE(at);
    if (short === 0) return true; // the last one: to the end
    const isLong = short === 1 && at + 16 <= head.length;
    const bytes = isLong ? Number(head.readBigUInt64BE(at + 8)) : short;
    if (bytes < 8) return false;
    at += bytes;
  }
  // Of a long file only the head is here: its last box ends somewhere beyond.
  return at === size || (head.length < size && at < size);
}
