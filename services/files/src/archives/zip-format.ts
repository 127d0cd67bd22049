import { AES_OVERHEAD_BYTES } from "./aes-entry.ts";

/** Records of a ZIP file (APPNOTE.TXT 6.3.10), with what AE-2 says in them. */
const LOCAL = 0x04034b50;
const DESCRIPTOR = 0x08074b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
/** 5.1: AES. */
const VERSION = 51;
const ENCRYPTED = 1;
const SIZES_FOLLOW = 1 << 3;
const UTF8 = 1 << 11;
const AES_METHOD = 99;
const AES_EXTRA = 0x9901;
const ZIP64_EXTRA = 0x0001;
const MAX_16 = 0xffff;
export const MAX_32 = 0xffff_ffff;

export interface ZipEntry {
  readonly name: string;
  readonly at: Date;
  readonly isDeflated: boolean;
  /** Where its local record begins. */
  readonly offset: number;
  /** As it was put in, and as it is stored, compressed and encrypted. */
  readonly size: number;
  readonly storedSize: number;
}

/** How many bytes an entry of so many takes when it is not compressed. */
export const encryptedSize = (bytes: number): number => bytes + AES_OVERHEAD_BYTES;

/** Before an entry. `sizes` null: they follow it, and are under 4 GiB. */
export function localRecord(
  { name, at, isDeflated }: Pick<ZipEntry, "name" | "at" | "isDeflated">,
  sizes: { size: number; storedSize: number } | null,
): Buffer {
  const isLarge = sizes !== null && sizes.storedSize >= MAX_32;
  const extra = [aesExtra(isDeflated)];
  if (isLarge) extra.push(zip64Extra([sizes.size, sizes.storedSize]));
  const nameBytes = Buffer.from(name, "utf8");
  const fixed = Buffer.alloc(30);
  fixed.writeUInt32LE(LOCAL, 0);
  writeCommon(fixed, 4, { at, follows: sizes === null });
  fixed.writeUInt32LE(isLarge ? MAX_32 : (sizes?.storedSize ?? 0), 18);
  fixed.writeUInt32LE(isLarge ? MAX_32 : (sizes?.size ?? 0), 22);
  fixed.writeUInt16LE(nameBytes.length, 26);
  fixed.writeUInt16LE(
    extra.reduce((sum, { length }) => sum + length, 0),
    28,
  );
  return Buffer.concat([fixed, nameBytes, ...extra]);
}

/** Behind an entry whose sizes follow. AE-2 has no CRC: the sum would tell of the content. */
export function descriptor({ size, storedSize }: Pick<ZipEntry, "size" | "storedSize">): Buffer {
  const record = Buffer.alloc(16);
  record.writeUInt32LE(DESCRIPTOR, 0);
  record.writeUInt32LE(storedSize, 8);
  record.writeUInt32LE(size, 12);
  return record;
}

/** An entry in the directory at the end. */
export function centralRecord(entry: ZipEntry & { follows: boolean }): Buffer {
  const { name, at, isDeflated, offset, size, storedSize, follows } = entry;
  const large = [size, storedSize, offset].filter((number) => number >= MAX_32);
  const extra = [aesExtra(isDeflated)];
  if (large.length > 0) extra.push(zip64Extra(large));
  const nameBytes = Buffer.from(name, "utf8");
  const fixed = Buffer.alloc(46);
  fixed.writeUInt32LE(CENTRAL, 0);
  fixed.writeUInt16LE(VERSION, 4);
  writeCommon(fixed, 6, { at, follows });
  fixed.writeUInt32LE(Math.min(storedSize, MAX_32), 20);
  fixed.writeUInt32LE(Math.min(size, MAX_32), 24);
  fixed.writeUInt16LE(nameBytes.length, 28);
  fixed.writeUInt16LE(
    extra.reduce((sum, { length }) => sum + length, 0),
    30,
  );
  fixed.writeUInt32LE(Math.min(offset, MAX_32), 42);
  return Buffer.concat([fixed, nameBytes, ...extra]);
}

/** The end of the file: the directory of `count` entries begins at `offset`. */
export function endRecords(count: number, offset: number, bytes: number): Buffer {
  const end = Buffer.alloc(22);
  end.writeUInt32LE(END, 0);
  end.writeUInt16LE(Math.min(count, MAX_16), 8);
  end.writeUInt16LE(Math.min(count, MAX_16), 10);
  end.writeUInt32LE(Math.min(bytes, MAX_32), 12);
  end.writeUInt32LE(Math.min(offset, MAX_32), 16);
  if (count < MAX_16 && offset < MAX_32 && bytes < MAX_32) return end;
  const end64 = Buffer.alloc(56);
  end64.writeUInt32LE(END64, 0);
  end64.writeBigUInt64LE(44n, 4); // what follows of it
  end64.writeUInt16LE(VERSION, 12);
  end64.writeUInt16LE(VERSION, 14);
  end64.writeBigUInt64LE(BigInt(count), 24);
  end64.writeBigUInt64LE(BigInt(count), 32);
  end64.writeBigUInt64LE(BigInt(bytes), 40);
  end64.writeBigUInt64LE(BigInt(offset), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(LOCATOR64, 0);
  locator.writeBigUInt64LE(BigInt(offset + bytes), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([end64, locator, end]);
}

/** Version, flags, method and time, which both records have in this order. */
function writeCommon(into: Buffer, at: number, entry: { at: Date; follows: boolean }): void {
  const { time, date } = dosTime(entry.at);
  into.writeUInt16LE(VERSION, at);
  into.writeUInt16LE(ENCRYPTED | UTF8 | (entry.follows ? SIZES_FOLLOW : 0), at + 2);
  into.writeUInt16LE(AES_METHOD, at + 4);
  into.writeUInt16LE(time, at + 6);
  into.writeUInt16LE(date, at + 8);
}

function aesExtra(isDeflated: boolean): Buffer {
  const extra = Buffer.alloc(11);
  extra.writeUInt16LE(AES_EXTRA, 0);
  extra.writeUInt16LE(7, 2);
  extra.writeUInt16LE(2, 4); // AE-2
  extra.write("AE", 6, "ascii");
  extra[8] = 3; // AES-256
  extra.writeUInt16LE(isDeflated ? 8 : 0, 9);
  return extra;
}

function zip64Extra(numbers: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + 8 * numbers.length);
  extra.writeUInt16LE(ZIP64_EXTRA, 0);
  extra.writeUInt16LE(8 * numbers.length, 2);
  for (const [i, number] of numbers.entries()) extra.writeBigUInt64LE(BigInt(number), 4 + 8 * i);
  return extra;
}

/** In UTC, in steps of two seconds, from 1980 on. */
function dosTime(at: Date): { time: number; date: number } {
  const time = (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1);
  const date = ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
  return { time, date };
}
