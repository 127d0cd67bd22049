import fc from "fast-check";
import { expect, test } from "vitest";
import { CopyRowCounter } from "./copy-format.ts";

/** A COPY in binary format of rows of fields; null is NULL. */
function copyOf(rows: (Buffer | null)[][], headerExtension = Buffer.alloc(0)): Buffer {
  const parts: Buffer[] = [Buffer.from("PGCOPY\n\xff\r\n\0", "latin1"), u32(0), u32(headerExtension.length)];
  parts.push(headerExtension);
  for (const row of rows) {
    parts.push(i16(row.length));
    for (const field of row) parts.push(field ? u32(field.length) : i32(-1), field ?? Buffer.alloc(0));
  }
  return Buffer.concat([...parts, i16(-1)]);
}

const u32 = (value: number) => i32(value);
function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
function i16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function count(bytes: Buffer, pieceBytes: number): number {
  const counter = new CopyRowCounter();
  for (let at = 0; at < bytes.length; at += pieceBytes) counter.push(bytes.subarray(at, at + pieceBytes));
  return counter.finish();
}

const field = fc.option(fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)));
const rows = fc.array(fc.array(field, { minLength: 0, maxLength: 5 }), { maxLength: 20 });

test("any rows are counted, in pieces of any size", () => {
  fc.assert(
    fc.property(rows, fc.integer({ min: 1, max: 50 }), (given, pieceBytes) => {
      expect(count(copyOf(given), pieceBytes)).toBe(given.length);
    }),
  );
});

test("a header's extension is skipped", () => {
  expect(count(copyOf([[Buffer.from("a")]], Buffer.alloc(9)), 3)).toBe(1);
});

test("a COPY that is cut anywhere, or has something behind its end, is not whole", () => {
  const whole = copyOf([[Buffer.from("abc"), null], [Buffer.from("")]]);
  for (let end = 0; end < whole.length; end++) {
    expect(() => count(whole.subarray(0, end), 7)).toThrow(RangeError);
  }
  expect(() => count(Buffer.concat([whole, Buffer.from([0])]), 7)).toThrow(RangeError);
});

test("text, and a field of negative length, are no such COPY", () => {
  expect(() => count(Buffer.from("1\tabc\n\\.\n".repeat(5)), 7)).toThrow(RangeError);
  const bad = copyOf([[Buffer.from("abc")]]);
  bad.writeInt32BE(-2, 21);
  expect(() => count(bad, 100)).toThrow(RangeError);
});
