import { createSecretKey, randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { plainBox } from "../test/plain-box.ts";
import { BOX_OVERHEAD_BYTES, type BoxContext, openBox, sealBox, sealBoxWithNonceUnsafe } from "./box.ts";
import {
  BoxCommitmentMismatch,
  BoxForged,
  BoxFormatUnknown,
  BoxKeyVersionMismatch,
  BoxRefused,
  BoxSuiteUnknown,
  BoxTruncated,
  FieldOutOfRange,
  KeyInvalid,
} from "./errors.ts";
import { SUITES } from "./suites.ts";

const subject = { key: randomBytes(32), version: 1 };
const context: BoxContext = {
  service: "records",
  table: "prescriptions",
  rowId: "0190b3c4-0000-7000-8000-000000000001",
  subjectId: "0190b3c4-0000-7000-8000-000000000002",
  rev: 3,
  typed: '{"status":"active"}',
  open: '{"ward":"3b"}',
};
const plaintext = Buffer.from('{"medication":"Ibuprofen"}');

const anyContext = fc.record({
  service: fc.string(),
  table: fc.string(),
  rowId: fc.string(),
  subjectId: fc.string(),
  rev: fc.maxSafeNat(),
  typed: fc.string(),
  open: fc.string(),
});

test("any box agrees with the plain second implementation, and opens to what was sealed", () => {
  const bytes = (n: number) =>
    fc.uint8Array({ minLength: n, maxLength: n }).map((array) => Buffer.from(array));
  const content = fc.uint8Array({ maxLength: 2_000 }).map((array) => Buffer.from(array));
  const version = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(
      bytes(32),
      version,
      anyContext,
      content,
      fc.constantFrom(...SUITES),
      bytes(12),
      (key, ...rest) => {
        const [keyVersion, place, message, suite, nonce] = rest;
        const box = sealBoxWithNonceUnsafe({ key, version: keyVersion }, place, message, suite, nonce);
        expect(box).toEqual(
          plainBox({ ...place, suite, subjectKey: key, keyVersion, nonce, plaintext: message }),
        );
        expect(openBox({ key, version: keyVersion }, place, box)).toEqual(message);
      },
    ),
    { numRuns: 300 },
  );
});

test("a key in a KeyObject seals and opens the same", () => {
  const box = sealBox({ key: createSecretKey(subject.key), version: 1 }, context, plaintext);
  expect(openBox(subject, context, box)).toEqual(plaintext);
});

test("a box with any one byte changed does not open", () => {
  for (const suite of SUITES) {
    const box = sealBox(subject, context, plaintext, suite);
    for (let at = 0; at < box.length; at += 1) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const changed = Buffer.from(box);
        changed[at] = (changed[at] ?? 0) ^ flip;
        expect(() => openBox(subject, context, changed), `byte ${at}`).toThrow(BoxRefused);
      }
    }
  }
});

test("a box that was cut anywhere, or made longer, does not open", () => {
  const box = sealBox(subject, context, plaintext);
  for (let length = 0; length < box.length; length += 1) {
    expect(() => openBox(subject, context, box.subarray(0, length))).toThrow(
      length < BOX_OVERHEAD_BYTES ? BoxTruncated : BoxForged,
    );
  }
  expect(() => openBox(subject, context, Buffer.concat([box, Buffer.alloc(1)]))).toThrow(BoxForged);
});

test("a box moved to another service, table or row is refused by its commitment", () => {
  const box = sealBox(subject, context, plaintext);
  for (const moved of [
    { service: "files" },
    { table: "claims" },
    { rowId: "0190b3c4-0000-7000-8000-000000000009" },
  ]) {
    expect(() => openBox(subject, { ...context, ...moved }, box)).toThrow(BoxCommitmentMismatch);
  }
});

test("a box beside another subject, revision, status or open field does not open", () => {
  const box = sealBox(subject, context, plaintext);
  for (const changed of [
    { subjectId: "0190b3c4-0000-7000-8000-000000000003" },
    { rev: 2 },
    { rev: 4 },
    { typed: '{"status":"ended"}' },
    { open: "{}" },
    { typed: `${context.typed}${context.open}`, open: "" },
  ]) {
    expect(() => openBox(subject, { ...context, ...changed }, box)).toThrow(BoxForged);
  }
});

test("no part of a context can run over into the next", () => {
  fc.assert(
    fc.property(anyContext, anyContext, (one, other) => {
      fc.pre(JSON.stringify(one) !== JSON.stringify(other));
      const box = sealBox(subject, one, plaintext);
      expect(() => openBox(subject, other, box)).toThrow(BoxRefused);
    }),
  );
  const shifted = { ...context, service: "record", table: `s${context.table}` };
  expect(() => openBox(subject, shifted, sealBox(subject, context, plaintext))).toThrow(
    BoxCommitmentMismatch,
  );
});

test("another subject's key, or another version of it, opens nothing", () => {
  const box = sealBox(subject, context, plaintext);
  expect(() => openBox({ key: randomBytes(32), version: 1 }, context, box)).toThrow(BoxCommitmentMismatch);
  expect(() => openBox({ key: subject.key, version: 2 }, context, box)).toThrow(BoxKeyVersionMismatch);
});

test("a suite exchanged in the header is refused before the cipher runs", () => {
  for (const [suite, other] of [
    ["aes-256-gcm", 2],
    ["chacha20-poly1305", 1],
  ] as const) {
    const box = sealBox(subject, context, plaintext, suite);
    box[1] = other;
    expect(() => openBox(subject, context, box)).toThrow(BoxCommitmentMismatch);
  }
});

test("an unknown format and an unknown suite have their own refusals", () => {
  const box = sealBox(subject, context, plaintext);
  const format = Buffer.from(box);
  format[0] = 2;
  expect(() => openBox(subject, context, format)).toThrow(BoxFormatUnknown);
  const suite = Buffer.from(box);
  suite[1] = 3;
  expect(() => openBox(subject, context, suite)).toThrow(BoxSuiteUnknown);
});

test("10,000 boxes of one row have 10,000 nonces", () => {
  const nonces = new Set<string>();
  for (let n = 0; n < 10_000; n += 1) {
    nonces.add(sealBox(subject, context, plaintext).subarray(6, 18).toString("hex"));
  }
  expect(nonces.size).toBe(10_000);
});

test("a key of another length, and a revision or version that the format cannot carry, are refused", () => {
  expect(() => sealBox({ key: randomBytes(31), version: 1 }, context, plaintext)).toThrow(KeyInvalid);
  expect(() => sealBox({ key: subject.key, version: -1 }, context, plaintext)).toThrow(FieldOutOfRange);
  expect(() => sealBox({ key: subject.key, version: 2 ** 32 }, context, plaintext)).toThrow(FieldOutOfRange);
  expect(() => sealBox(subject, { ...context, rowId: "x".repeat(1_000) }, plaintext)).toThrow(
    FieldOutOfRange,
  );
  expect(() => sealBox(subject, { ...context, rev: 1.5 }, plaintext)).toThrow(FieldOutOfRange);
  expect(() => sealBox(subject, { ...context, rev: 2 ** 53 }, plaintext)).toThrow(FieldOutOfRange);
});

test("threat: a refusal says nothing of the key, the place or the content", () => {
  const box = sealBox(subject, context, plaintext);
  try {
    openBox(subject, { ...context, rev: 9 }, box);
    expect.unreachable();
  } catch (error) {
    const text = JSON.stringify(
      error,
      Object.getOwnPropertyNames(error).filter((name) => name !== "stack"),
    );
    for (const secret of ["Ibuprofen", context.rowId, context.subjectId, "prescriptions"])
      expect(text).not.toContain(secret);
    expect(error).toMatchObject({ code: "box_forged", kind: "internal", name: "BoxForged" });
  }
});
