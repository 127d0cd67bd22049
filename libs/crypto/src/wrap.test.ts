import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { plainWrap } from "../test/plain-box.ts";
import { flipped } from "../test/vector-parts.ts";
import {
  KeyInvalid,
  WrappedKeyCommitmentMismatch,
  WrappedKeyForged,
  WrappedKeyFormatUnknown,
  WrappedKeyRefused,
  WrappedKeyTruncated,
} from "./errors.ts";
import { unwrapKey, WRAPPED_KEY_BYTES, wrapKey, wrapKeyWithNonceUnsafe } from "./wrap.ts";

const by = { key: randomBytes(32), version: 7 };
const context = ["records", "subject", "0190b3c4-0000-7000-8000-000000000001"];
const key = randomBytes(32);

test("any wrapped key agrees with the plain second implementation", () => {
  const bytes = (n: number) =>
    fc.uint8Array({ minLength: n, maxLength: n }).map((array) => Buffer.from(array));
  const version = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(
      bytes(32),
      bytes(32),
      bytes(12),
      version,
      version,
      fc.array(fc.string()),
      (service, inner, nonce, v, k, c) => {
        const wrapped = wrapKeyWithNonceUnsafe({ key: service, version: v }, c, inner, k, nonce);
        const plain = {
          serviceKey: service,
          serviceKeyVersion: v,
          keyVersion: k,
          nonce,
          context: c,
          key: inner,
        };
        expect(wrapped).toEqual(plainWrap(plain));
        expect(unwrapKey({ key: service, version: v }, c, wrapped)).toEqual(inner);
      },
    ),
  );
});

test("a wrapped key with any one byte changed does not unwrap", () => {
  const wrapped = wrapKey(by, context, key, 1);
  for (let at = 0; at < WRAPPED_KEY_BYTES; at += 1) {
    expect(() => unwrapKey(by, context, flipped(wrapped, at)), `byte ${at}`).toThrow(WrappedKeyRefused);
  }
});

test("another service key, another subject, kind or service, and a shifted context unwrap nothing", () => {
  const wrapped = wrapKey(by, context, key, 1);
  expect(() => unwrapKey({ key: randomBytes(32), version: 7 }, context, wrapped)).toThrow(
    WrappedKeyCommitmentMismatch,
  );
  expect(() => unwrapKey({ key: by.key, version: 8 }, context, wrapped)).toThrow(
    WrappedKeyCommitmentMismatch,
  );
  const [service = "", kind = "", id = ""] = context;
  for (const other of [
    [service, kind, `${id}0`],
    [service, "table", id],
    ["files", kind, id],
    [service + kind, id],
    [],
  ]) {
    expect(() => unwrapKey(by, other, wrapped)).toThrow(WrappedKeyCommitmentMismatch);
  }
});

test("a key's own version cannot be changed in its header", () => {
  const wrapped = wrapKey(by, context, key, 1);
  wrapped.writeUInt32BE(2, 6);
  expect(() => unwrapKey(by, context, wrapped)).toThrow(WrappedKeyForged);
});

test("a wrapped key of another length or format, and a key of another length, are refused", () => {
  const wrapped = wrapKey(by, context, key, 1);
  for (let length = 0; length < wrapped.length; length += 1) {
    expect(() => unwrapKey(by, context, wrapped.subarray(0, length))).toThrow(WrappedKeyTruncated);
  }
  expect(() => unwrapKey(by, context, Buffer.concat([wrapped, Buffer.alloc(1)]))).toThrow(
    WrappedKeyTruncated,
  );
  wrapped[0] = 1;
  expect(() => unwrapKey(by, context, wrapped)).toThrow(WrappedKeyFormatUnknown);
  expect(() => wrapKey(by, context, randomBytes(16), 1)).toThrow(KeyInvalid);
});
