import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeDocument, encodeDocument, type SearchDocument } from "./document.ts";
import { DocumentRefused } from "./errors.ts";

const PATIENT = "018f2c3a-7b1d-7e55-8d0a-3f6b0c9d1e2f";

const text = fc.string({ unit: "grapheme", maxLength: 30 });
const day = fc
  .date({ min: new Date("0001-01-01"), max: new Date("9999-12-31"), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10));
const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((array) => Buffer.from(array).toString("hex"));
const row = fc.record({
  id: fc.uuid(),
  patientId: fc.constant(PATIENT),
  text: fc.option(text),
  startDate: day,
  isDated: fc.boolean(),
  status: fc.oneof(fc.constantFrom("active", "stopped"), text),
  rev: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
});
const documents: fc.Arbitrary<SearchDocument> = fc.record({
  layout: hex(8),
  print: hex(16),
  patient: fc.record({
    id: fc.constant(PATIENT),
    updatedAt: fc.date({ noInvalidDate: true }),
    name: fc.option(text),
    birthDate: fc.option(fc.oneof(day, fc.constantFrom("1980", "1980-05"))),
    fields: fc.dictionary(text, text, { maxKeys: 4, noNullPrototype: true }),
  }),
  rows: fc.array(row, { maxLength: 40 }),
});

const decode = (bytes: Buffer) => decodeDocument(PATIENT, bytes);

describe("a search document", () => {
  test("comes back as it was, whatever is in it", () => {
    fc.assert(
      fc.property(documents, (document) => {
        expect(decode(encodeDocument(document))).toEqual(document);
      }),
    );
  });

  test("is the same bytes for the same content", () => {
    fc.assert(
      fc.property(documents, (document) => {
        expect(encodeDocument(decode(encodeDocument(document)))).toEqual(encodeDocument(document));
      }),
    );
  });

  test("is refused wherever it is cut, and with anything behind it", () => {
    fc.assert(
      fc.property(
        documents,
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (document, share) => {
          const bytes = encodeDocument(document);
          expect(() => decode(bytes.subarray(0, Math.floor(share * bytes.length)))).toThrow(DocumentRefused);
          expect(() => decode(Buffer.concat([bytes, Buffer.alloc(1)]))).toThrow(DocumentRefused);
        },
      ),
    );
  });

  test("with any byte changed is refused or read as another document, and never fails otherwise", () => {
    fc.assert(
      fc.property(documents, fc.nat(), fc.integer({ min: 1, max: 255 }), (document, place, change) => {
        const bytes = encodeDocument(document);
        const at = place % bytes.length;
        bytes[at] = (bytes[at] ?? 0) ^ change;
        expect(outcomeOf(bytes)).not.toEqual(document);
      }),
    );
  });

  test("any bytes at all are refused, or a document", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (array) => {
        const bytes = Buffer.from(array);
        outcomeOf(Buffer.concat([Buffer.from([1]), Buffer.alloc(32), bytes]));
        outcomeOf(bytes);
      }),
    );
  });

  test.each([
    ["of another format", (bytes: Buffer) => bytes.writeUInt8(2, 0)],
    ["with bytes that are no UTF-8", (bytes: Buffer) => bytes.writeUInt8(0xff, bytes.indexOf("metformin"))],
    ["with an instant that is none", (bytes: Buffer) => bytes.writeDoubleBE(Number.NaN, 25)],
    ["with texts longer than all of it", (bytes: Buffer) => bytes.writeUInt8(0x7f, 33)],
  ])("%s is refused", (_what, spoil) => {
    const bytes = encodeDocument(one());
    spoil(bytes);
    expect(() => decode(bytes)).toThrow(DocumentRefused);
  });

  test.each([
    ["an id in capitals", { id: randomUUID().toUpperCase() }],
    ["a day that no month has", { startDate: "2026-02-31" }],
    ["a day past the year 9999", { startDate: "10000-01-01" }],
    ["a revision that is no number", { rev: Number.NaN }],
  ])("is not made with %s", (_what, change) => {
    const document = one();
    expect(() =>
      encodeDocument({ ...document, rows: document.rows.map((each) => ({ ...each, ...change })) }),
    ).toThrow(DocumentRefused);
  });

  test("of 50,000 prescriptions takes 22 bytes for each, and says each term once", () => {
    const [first] = one().rows;
    const rows = Array.from({ length: 50_000 }, (_, at) => ({
      ...(first as (typeof rows)[number]),
      id: randomUUID(),
      text: `term ${at % 100}`,
    })) as SearchDocument["rows"][number][];
    const bytes = encodeDocument({ ...one(), rows });
    expect(bytes.length).toBeLessThan(22 * rows.length);
    expect(decode(bytes).rows).toEqual(rows);
  });

  test("past 16 MiB is neither made nor read", () => {
    const name = "x".repeat(16 * 1024 * 1024);
    expect(() => encodeDocument({ ...one(), patient: { ...one().patient, name } })).toThrow(DocumentRefused);
    expect(() => decode(Buffer.alloc(16 * 1024 * 1024 + 1, 1))).toThrow(DocumentRefused);
  });
});

function one(): SearchDocument {
  return {
    layout: "00".repeat(8),
    print: "11".repeat(16),
    patient: {
      id: PATIENT,
      updatedAt: new Date(0),
      name: "ada lovelace",
      birthDate: "1815-12-10",
      fields: {},
    },
    rows: [
      {
        id: randomUUID(),
        patientId: PATIENT,
        text: "metformin 500 mg",
        startDate: "2026-01-31",
        isDated: true,
        status: "active",
        rev: 1,
      },
    ],
  };
}

/** What is read, or null where it is refused; anything else thrown fails the test. */
function outcomeOf(bytes: Buffer): SearchDocument | null {
  try {
    return decode(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(DocumentRefused);
    return null;
  }
}
