import { DocumentRefused } from "./errors.ts";

const MAX_U32 = 0xffff_ffff;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UUID_BYTES = 16;

/** Writes the parts of a document one after the other. */
export class DocumentWriter {
  #bytes = Buffer.allocUnsafe(512);
  #at = 0;

  byte(value: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = value;
  }

  /** LEB128, from 0 to 2^32 - 1. */
  number(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > MAX_U32) throw new DocumentRefused("a number");
    this.#room(5);
    let left = value;
    while (left >= 0x80) {
      this.#bytes[this.#at++] = (left % 0x80) | 0x80;
      left = Math.floor(left / 0x80);
    }
    this.#bytes[this.#at++] = left;
  }

  /** Zigzag: small numbers of either sign are short. */
  signed(value: number): void {
    this.number(value < 0 ? -2 * value - 1 : 2 * value);
  }

  double(value: number): void {
    this.#room(8);
    this.#at = this.#bytes.writeDoubleBE(value, this.#at);
  }

  hex(text: string, bytes: number): void {
    this.#room(bytes);
    if (text.length !== 2 * bytes || this.#bytes.write(text, this.#at, bytes, "hex") !== bytes) {
      throw new DocumentRefused(`not ${bytes} bytes in hex`);
    }
    this.#at += bytes;
  }

  uuid(id: string): void {
    if (!UUID.test(id)) throw new DocumentRefused("an id is a lower-case UUID");
    this.hex(id.replaceAll("-", ""), UUID_BYTES);
  }

  bytes(value: Buffer): void {
    this.#room(value.length);
    this.#at += value.copy(this.#bytes, this.#at);
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(2 * this.#bytes.length + bytes);
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes.fill(0); // it holds names
    this.#bytes = larger;
  }
}

/** Reads them again. Everything that is not there, or in another spelling, is DocumentRefused. */
export class DocumentReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw new DocumentRefused("cut");
    return value;
  }

  number(): number {
    let value = 0;
    for (let unit = 1; ; unit *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * unit;
      if (value > MAX_U32) throw new DocumentRefused("a number past 32 bits");
      if (byte < 0x80) {
        if (byte === 0 && unit > 1) throw new DocumentRefused("a number in a longer spelling");
        return value;
      }
    }
  }

  /** A number of things that each take at least so many bytes, so that it cannot be a lie. */
  count(leastBytes: number): number {
    const count = this.number();
    if (count * leastBytes > this.#bytes.length - this.#at) throw new DocumentRefused("a count past the end");
    return count;
  }

  signed(): number {
    const value = this.number();
    return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
  }

  double(): number {
    return this.bytes(8).readDoubleBE(0);
  }

  hex(bytes: number): string {
    return this.bytes(bytes).toString("hex");
  }

  uuid(): string {
    const hex = this.hex(UUID_BYTES);
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  }

  /** A view of the next ones. */
  bytes(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new DocumentRefused("cut");
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw new DocumentRefused("bytes after the end");
  }
}
