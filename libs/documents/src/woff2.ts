import { brotliDecompressSync } from "node:zlib";

/**
 * The TrueType font in a WOFF2 file (W3C, WOFF File Format 2.0), in which npm packages bring fonts.
 * fontkit reads WOFF2, but neither varies nor cuts what it read of it.
 */
export function fromWoff2(file: Buffer): Buffer {
  if (file.toString("latin1", 0, 4) !== "wOF2") throw new TypeError("no WOFF2 file");
  const { entries, at } = directory(file);
  const compressed = file.subarray(at, at + file.readUInt32BE(20));
  const data = brotliDecompressSync(compressed, { maxOutputLength: MAX_FONT_BYTES });
  const tables = new Map<string, Buffer>();
  let offset = 0;
  for (const { tag, bytes } of entries) {
    tables.set(tag, data.subarray(offset, offset + bytes));
    offset += bytes;
  }
  const isTransformed = (tag: string) => entries.some((entry) => entry.tag === tag && entry.transformed);
  if (isTransformed("hmtx")) throw new TypeError("a transformed hmtx is not read");
  if (isTransformed("glyf")) {
    const { glyf, loca } = glyphs(new Reader(tables.get("glyf") ?? Buffer.alloc(0)));
    const head = Buffer.from(tables.get("head") ?? Buffer.alloc(0));
    head.writeInt16BE(LONG_OFFSETS, 50);
    tables.set("glyf", glyf).set("loca", loca).set("head", head);
  }
  return sfnt(file.readUInt32BE(4), tables);
}

/** How loca is written. */
const LONG_OFFSETS = 1;
const MAX_FONT_BYTES = 32 * 1024 * 1024;

class Reader {
  at = 0;
  readonly #bytes: Buffer;
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }
  u8() {
    return this.#bytes.readUInt8(this.at++);
  }
  u16() {
    this.at += 2;
    return this.#bytes.readUInt16BE(this.at - 2);
  }
  i16() {
    this.at += 2;
    return this.#bytes.readInt16BE(this.at - 2);
  }
  u32() {
    this.at += 4;
    return this.#bytes.readUInt32BE(this.at - 4);
  }
  take(length: number) {
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }
  /** UIntBase128. */
  base128() {
    let value = 0;
    for (let i = 0; i < 5; i++) {
      const byte = this.u8();
      value = value * 128 + (byte & 0x7f);
      if (byte < 128) return value;
    }
    throw new TypeError("a number of a WOFF2 file is too long");
  }
  /** 255UInt16. */
  packed() {
    const code = this.u8();
    if (code === 253) return this.u16();
    if (code === 254) return this.u8() + 506;
    return code === 255 ? this.u8() + 253 : code;
  }
}

/** In the order of the specification. */
const TAGS =
  `cmap head hhea hmtx maxp name OS/2 post cvt fpgm glyf loca prep CFF VORG EBDT EBLC gasp hdmx kern
   LTSH PCLT VDMX vhea vmtx BASE GDEF GPOS GSUB EBSC JSTF MATH CBDT CBLC COLR CPAL SVG sbix acnt avar
   bdat bloc bsln cvar fdsc feat fmtx fvar gvar hsty just lcar mort morx opbd prop trak Zapf Silf Glat
   Gloc Feat Sill`.split(/\s+/);
const OWN_TAG = 63;

function directory(file: Buffer) {
  const reader = new Reader(file);
  reader.at = 48;
  const entries = Array.from({ length: file.readUInt16BE(12) }, () => {
    const flags = reader.u8();
    const known = flags & 0x3f;
    const tag = known === OWN_TAG ? reader.take(4).toString("latin1") : (TAGS[known] ?? "").padEnd(4);
    const length = reader.base128();
    const version = flags >> 6;
    const transformed = tag === "glyf" || tag === "loca" ? version === 0 : version !== 0;
    return { tag, transformed, bytes: transformed ? reader.base128() : length };
  });
  return { entries, at: reader.at };
}

/** The glyf and loca tables that were transformed. */
function glyphs(table: Reader) {
  table.u16();
  table.u16();
  const count = table.u16();
  table.u16();
  const sizes = Array.from({ length: 7 }, () => table.u32());
  const [contours, points, flags, triplets, composites, boxes, instructions] = sizes.map(
    (size) => new Reader(table.take(size)),
  ) as [Reader, Reader, Reader, Reader, Reader, Reader, Reader];
  const bitmap = boxes.take(Math.ceil(count / 32) * 4);
  const made: Buffer[] = [];
  const loca = Buffer.alloc((count + 1) * 4);
  let offset = 0;
  for (let id = 0; id < count; id++) {
    const contourCount = contours.i16();
    const hasBox = (((bitmap[id >> 3] ?? 0) >> (7 - (id & 7))) & 1) === 1;
    const box = hasBox ? boxes.take(8) : null;
    let glyph: Buffer | null = null;
    if (contourCount > 0) glyph = simple(contourCount, box, points, flags, triplets, instructions);
    if (contourCount < 0 && box) glyph = composite(box, composites, triplets, instructions);
    if (glyph) {
      made.push(glyph, PADDING.subarray(0, paddingOf(glyph)));
      offset += glyph.length + paddingOf(glyph);
    }
    loca.writeUInt32BE(offset, (id + 1) * 4);
  }
  return { glyf: Buffer.concat(made), loca };
}

const PADDING = Buffer.alloc(3);
/** How many bytes a table or glyph lacks to a multiple of 4. */
export const paddingOf = ({ length }: Buffer): number => (4 - (length % 4)) % 4;

function simple(
  count: number,
  box: Buffer | null,
  points: Reader,
  flags: Reader,
  triplets: Reader,
  instructions: Reader,
) {
  const ends: number[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    total += points.packed();
    ends.push(total - 1);
  }
  const outline: Point[] = [];
  let [x, y] = [0, 0];
  for (let i = 0; i < total; i++) {
    const flag = flags.u8();
    const [dx, dy] = triplet(flag & 0x7f, triplets);
    x += dx;
    y += dy;
    outline.push({ x, y, isOn: flag < 128 });
  }
  return glyphOf(ends, outline, instructions.take(triplets.packed()), box);
}

/** A move by its code (section 5.2 of the specification). */
function triplet(code: number, from: Reader): [number, number] {
  const sign = (bit: number, value: number) => ((code >> bit) & 1 ? value : -value);
  if (code < 10) return [0, sign(0, ((code & 14) << 7) + from.u8())];
  if (code < 20) return [sign(0, (((code - 10) & 14) << 7) + from.u8()), 0];
  if (code < 84) {
    const [base, byte] = [code - 20, from.u8()];
    return [sign(0, 1 + (base & 0x30) + (byte >> 4)), sign(1, 1 + ((base & 0x0c) << 2) + (byte & 15))];
  }
  if (code < 120) {
    const base = code - 84;
    const dx = 1 + (Math.floor(base / 12) << 8) + from.u8();
    return [sign(0, dx), sign(1, 1 + (((base % 12) >> 2) << 8) + from.u8())];
  }
  if (code < 124) {
    const [first, second, third] = [from.u8(), from.u8(), from.u8()];
    return [sign(0, (first << 4) + (second >> 4)), sign(1, ((second & 15) << 8) + third)];
  }
  return [sign(0, from.u16()), sign(1, from.u16())];
}

function composite(box: Buffer, from: Reader, triplets: Reader, instructions: Reader) {
  const start = from.at;
  let flags: number;
  do {
    flags = from.u16();
    from.at += 2 + (flags & 1 ? 4 : 2);
    if (flags & 0x0008) from.at += 2;
    else if (flags & 0x0040) from.at += 4;
    else if (flags & 0x0080) from.at += 8;
  } while (flags & 0x0020);
  const length = from.at - start;
  from.at = start;
  const parts = [Buffer.from([0xff, 0xff]), box, from.take(length)];
  if (!(flags & 0x0100)) return Buffer.concat(parts);
  const size = Buffer.alloc(2);
  size.writeUInt16BE(triplets.packed());
  return Buffer.concat([...parts, size, instructions.take(size.readUInt16BE())]);
}

export interface Point {
  x: number;
  y: number;
  isOn: boolean;
}

/** One outline as the glyf table has it. `box` is computed where none is given. */
export function glyphOf(
  ends: readonly number[],
  outline: readonly Point[],
  instructions: Buffer,
  box: Buffer | null,
): Buffer {
  const glyph = Buffer.alloc(12 + ends.length * 2 + instructions.length + outline.length * 5);
  let at = glyph.writeInt16BE(ends.length, 0);
  if (box) at += box.copy(glyph, at);
  else for (const edge of edges(outline)) at = glyph.writeInt16BE(edge, at);
  for (const end of ends) at = glyph.writeUInt16BE(end, at);
  at = glyph.writeUInt16BE(instructions.length, at);
  at += instructions.copy(glyph, at);
  for (const { isOn } of outline) at = glyph.writeUInt8(isOn ? 1 : 0, at);
  for (const axis of ["x", "y"] as const) {
    let last = 0;
    for (const point of outline) {
      at = glyph.writeInt16BE(point[axis] - last, at);
      last = point[axis];
    }
  }
  return glyph;
}

function edges(outline: readonly Point[]) {
  const box = [Infinity, Infinity, -Infinity, -Infinity] as [number, number, number, number];
  for (const { x, y } of outline) {
    box[0] = Math.min(box[0], x);
    box[1] = Math.min(box[1], y);
    box[2] = Math.max(box[2], x);
    box[3] = Math.max(box[3], y);
  }
  return outline.length === 0 ? [0, 0, 0, 0] : box;
}

/** The tables as one file. Checksums stay 0: who reads it here looks at none. */
function sfnt(flavor: number, tables: ReadonlyMap<string, Buffer>) {
  const sorted = [...tables].sort(([a], [b]) => (a < b ? -1 : 1));
  const header = Buffer.alloc(12 + 16 * sorted.length);
  header.writeUInt32BE(flavor, 0);
  header.writeUInt16BE(sorted.length, 4);
  const parts: Buffer[] = [header];
  let offset = header.length;
  for (const [index, [tag, bytes]] of sorted.entries()) {
    const at = 12 + 16 * index;
    header.write(tag, at, "latin1");
    header.writeUInt32BE(offset, at + 8);
    header.writeUInt32BE(bytes.length, at + 12);
    parts.push(bytes, PADDING.subarray(0, paddingOf(bytes)));
    offset += bytes.length + paddingOf(bytes);
  }
  return Buffer.concat(parts);
}
