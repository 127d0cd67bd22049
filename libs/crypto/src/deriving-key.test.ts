import { createSecretKey, hkdfSync, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { sharedVectors } from "../test/shared-data.ts";
import { openBox, sealBox } from "./box.ts";
import { deriveCommittedKey, MAX_INFO_BYTES } from "./bytes.ts";
import { DerivingKey } from "./deriving-key.ts";
import { BoxCommitmentMismatch, FieldOutOfRange, KeyInvalid } from "./errors.ts";

const hex = (text: string): Buffer => Buffer.from(text, "hex");

/** The 64 bytes that a key derives. */
function derived(key: Buffer, info: Buffer): Buffer {
  const made = new DerivingKey(key).derive(info);
  return Buffer.concat([made.key.export(), made.commitment]);
}

test("it derives what RFC 5869 says, and Wycheproof, where it is at hand", () => {
  expect(derived(Buffer.alloc(22, 0x0b), Buffer.alloc(0)).subarray(0, 42).toString("hex")).toBe(
    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8", // A.3
  );
  interface Groups {
    testGroups: { tests: { ikm: string; salt: string; info: string; size: number; okm: string }[] }[];
  }
  const groups = sharedVectors<Groups>("wycheproof/hkdf_sha256_test.json")?.testGroups ?? [];
  for (const { ikm, salt, info, size, okm } of groups.flatMap(({ tests }) => tests)) {
    if (salt !== "" || size > 64 || size === 0 || ikm.length > 128) continue;
    expect(derived(hex(ikm), hex(info)).subarray(0, size).toString("hex")).toBe(okm);
  }
});

test("it derives what node's own HKDF derives, of every length of info, from one key again and again", () => {
  const key = randomBytes(32);
  const deriving = new DerivingKey(key);
  for (let bytes = 0; bytes <= MAX_INFO_BYTES; bytes += 1) {
    const info = randomBytes(bytes);
    const made = deriving.derive(info);
    const both = Buffer.concat([made.key.export(), made.commitment]);
    expect(both.equals(Buffer.from(hkdfSync("sha256", key, "", info, 64))), String(bytes)).toBe(true);
    expect(deriveCommittedKey(key, info).key.equals(made.key)).toBe(true);
  }
});

test("a box of the one opens with the other, and a wiped key opens none", () => {
  const key = randomBytes(32);
  const plain = { key, version: 1 };
  const kept = { ...plain, deriving: new DerivingKey(key) };
  const context = {
    ...{ service: "records", table: "prescriptions", rowId: "r", subjectId: "s", rev: 1 },
    ...{ typed: "{}", open: "{}" },
  };
  const text = Buffer.from("a text");
  for (const suite of ["aes-256-gcm", "chacha20-poly1305"] as const) {
    expect(openBox(plain, context, sealBox(kept, context, text, suite))).toEqual(text);
    expect(openBox(kept, context, sealBox(plain, context, text, suite))).toEqual(text);
  }
  const box = sealBox(kept, context, text);
  kept.deriving.wipe();
  expect(() => openBox(kept, context, box)).toThrow(BoxCommitmentMismatch);
});

test("a key of another length seals nothing, and neither a longer one nor a longer info is derived from", () => {
  const short = Buffer.alloc(31);
  const subject = { key: short, version: 1, deriving: new DerivingKey(short) };
  const context = { service: "a", table: "b", rowId: "c", subjectId: "d", rev: 1, typed: "{}", open: "{}" };
  expect(() => sealBox(subject, context, Buffer.alloc(1))).toThrow(KeyInvalid);
  expect(() => new DerivingKey(Buffer.alloc(65))).toThrow(FieldOutOfRange);
  const tooLong = Buffer.alloc(MAX_INFO_BYTES + 1);
  expect(() => new DerivingKey(Buffer.alloc(32)).derive(tooLong)).toThrow(FieldOutOfRange);
  expect(() => deriveCommittedKey(createSecretKey(Buffer.alloc(32)), tooLong)).toThrow(FieldOutOfRange);
});
