import { HASH_BYTES } from "./hash.ts";

/** Hashes in a full tile (C2SP tlog-tiles). */
export const TILE_WIDTH = 256;
/** Highest level that C2SP tlog-tiles names; 256^8 is already beyond what a JS number holds. */
const MAX_LEVEL = 63;

/** A tile's place: `level` 0.. or "entries", `index` in it, `width` 1..256 (256: a full tile). */
export interface TileName {
  readonly level: number | "entries";
  readonly index: number;
  readonly width: number;
}

/** The C2SP path below `tile/`: `0/x001/x234/067` or, when partial, `0/x001/x234/067.p/8`. */
export function tilePath(tile: TileName): string {
  const digits = String(tile.index);
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0");
  const groups = padded.match(/\d{3}/g) ?? [];
  const index = groups.map((group, at) => (at < groups.length - 1 ? `x${group}` : group)).join("/");
  const suffix = tile.width === TILE_WIDTH ? "" : `.p/${tile.width}`;
  return `${tile.level}/${index}${suffix}`;
}

/**
 * Reads a path below `tile/`; null when it is not exactly the one spelling that C2SP tlog-tiles
 * gives to a tile (leading zeroes, a width of 0 or 256, an index beyond 2^53).
 */
export function parseTilePath(path: string): TileName | null {
  const match = /^(entries|\d{1,2})\/((?:x\d{3}\/){0,5}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path);
  if (match === null) return null;
  const [, levelText = "", indexText = "", widthText] = match;
  const tile: TileName = {
    level: levelText === "entries" ? "entries" : Number(levelText),
    index: Number(indexText.replaceAll(/[x/]/g, "")),
    width: widthText === undefined ? TILE_WIDTH : Number(widthText),
  };
  if (tile.level !== "entries" && tile.level > MAX_LEVEL) return null;
  if (!Number.isSafeInteger(tile.index) || tile.width < 1) return null;
  return tilePath(tile) === path ? tile : null;
}

/** Hashes of level `level` in a tree of `size` leaves. */
export function hashesAtLevel(size: number, level: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** How wide tile `index` of `level` is in a tree of `size` leaves: 0 (not there) to 256 (full). */
export function tileWidth(size: number, level: number, index: number): number {
  return Math.max(0, Math.min(TILE_WIDTH, hashesAtLevel(size, level) - index * TILE_WIDTH));
}

/** The bytes of a tile: its hashes one after another. */
export function encodeTile(hashes: readonly Buffer[]): Buffer {
  return Buffer.concat(hashes);
}

/** The hashes of a tile's bytes; null when they are not `width` whole hashes. */
export function decodeTile(bytes: Buffer, width: number): Buffer[] | null {
  if (bytes.length !== width * HASH_BYTES) return null;
  return Array.from({ length: width }, (_, at) => bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES));
}

/** A C2SP entry bundle: every entry behind its big-endian uint16 length. */
export function encodeEntryBundle(entries: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    entries.flatMap((entry) => {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(entry.length);
      return [length, entry];
    }),
  );
}

/** The entries of a bundle's bytes; null when they are cut. */
export function decodeEntryBundle(bytes: Buffer): Buffer[] | null {
  const entries: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 2 + (at + 2 <= bytes.length ? bytes.readUInt16BE(at) : 0);
    if (end > bytes.length) return null;
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  return entries;
}
