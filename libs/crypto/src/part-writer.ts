import { FieldOutOfRange } from "./errors.ts";

const ROOM_BYTES = 4_096;
const MAX_KEPT_BYTES = 65_536;
const UTF8_BYTES_PER_UNIT = 3;

/**
 * Length-prefixed parts as `lengthPrefixed` makes them, for callers that make many: it keeps its
 * memory from one list to the next, and that is 0.8 µs instead of 2.1 for a box's derivation and
 * AAD (Node 24). Its result is valid until the next one.
 */
export class PartWriter {
  #room = Buffer.allocUnsafeSlow(ROOM_BYTES);
  #at = 0;

  /** Starts a list. The view of the one before is no longer good. */
  begin(): this {
    if (this.#room.length > MAX_KEPT_BYTES) this.#room = Buffer.allocUnsafeSlow(ROOM_BYTES);
    this.#at = 0;
    return this;
  }

  /** A text, in UTF-8. */
  text(part: string): this {
    this.#ensure(4 + UTF8_BYTES_PER_UNIT * part.length);
    const bytes = this.#room.write(part, this.#at + 4);
    this.#number(bytes);
    this.#at += bytes;
    return this;
  }

  /** A single byte. */
  byte(value: number): this {
    this.#ensure(5);
    this.#number(1);
    this.#room[this.#at] = value;
    this.#at += 1;
    return this;
  }

  /** An unsigned 32-bit big-endian integer. Throws FieldOutOfRange, naming the field. */
  u32(value: number, field: string): this {
    if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) throw new FieldOutOfRange(field);
    this.#ensure(8);
    this.#number(4);
    this.#number(value);
    return this;
  }

  /** An unsigned 64-bit big-endian integer, up to 2^53 - 1. Throws FieldOutOfRange, naming it. */
  u64(value: number, field: string): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new FieldOutOfRange(field);
    this.#ensure(12);
    this.#number(8);
    this.#number(Math.floor(value / 0x1_0000_0000));
    this.#number(value % 0x1_0000_0000);
    return this;
  }

  /** The list. A view that is good until the next `begin`. */
  view(): Buffer {
    return this.#room.subarray(0, this.#at);
  }

  #number(value: number): void {
    this.#at = this.#room.writeUInt32BE(value, this.#at);
  }

  #ensure(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#room.length) return;
    const larger = Buffer.allocUnsafeSlow(2 * needed);
    larger.set(this.#room.subarray(0, this.#at));
    this.#room = larger;
  }
}
