import { expect, test } from "vitest";
import { type PlainBox, plainBox, plainOpenBox, plainUnwrap, plainWrap } from "../test/plain-box.ts";
import {
  plainContentHash,
  plainExact,
  plainLayer,
  plainRecordStatement,
  plainSign,
  plainStatement,
} from "../test/plain-rest.ts";
import { ownVectors } from "../test/shared-data.ts";
import { exactToken, layeredToken, normalise } from "./blind-index.ts";
import { openBox, readBoxHeader, sealBoxWithNonceUnsafe } from "./box.ts";
import { privateKeyOf, signEd25519, statement } from "./signatures.ts";
import { contentHashOf, recordStatement, type SignedRecord } from "./signed-record.ts";
import { DIGESTS } from "./suites.ts";
import { readWrappedKeyHeader, unwrapKey, wrapKeyWithNonceUnsafe } from "./wrap.ts";

type SignedRecordVector = SignedRecord & Record<"seed" | "content" | "statement" | "signature", string>;

// Chunked messages are in chunked.test.ts, which puts them through streams in steps of any size.
const hex = (text: string): Buffer => Buffer.from(text, "hex");

test("both implementations make and open the published boxes to the byte", () => {
  type Vector = Record<"subjectKey" | "nonce" | "plaintext" | "box", string> &
    Omit<PlainBox, "subjectKey" | "nonce" | "plaintext">;
  for (const vector of ownVectors<Vector[]>("row-box")) {
    const plaintext = Buffer.from(vector.plaintext);
    const given = { ...vector, subjectKey: hex(vector.subjectKey), nonce: hex(vector.nonce), plaintext };
    const { suite, keyVersion } = vector;
    const subject = { key: given.subjectKey, version: keyVersion };
    const box = sealBoxWithNonceUnsafe(subject, vector, plaintext, suite, given.nonce);
    expect(box.toString("hex")).toBe(vector.box);
    expect(openBox(subject, vector, box)).toEqual(plaintext);
    expect(readBoxHeader(box)).toEqual({ suite, keyVersion });
    expect(plainBox(given).toString("hex")).toBe(vector.box);
    expect(plainOpenBox(given, box)).toEqual(plaintext);
  }
});

test("both implementations make and open the published wrapped keys to the byte", () => {
  interface Vector {
    serviceKey: string;
    serviceKeyVersion: number;
    keyVersion: number;
    nonce: string;
    context: string[];
    key: string;
    wrapped: string;
  }
  for (const vector of ownVectors<Vector[]>("wrapped-key")) {
    const bytes = { serviceKey: hex(vector.serviceKey), nonce: hex(vector.nonce), key: hex(vector.key) };
    const { serviceKeyVersion, keyVersion, context } = vector;
    const by = { key: bytes.serviceKey, version: serviceKeyVersion };
    const wrapped = wrapKeyWithNonceUnsafe(by, context, bytes.key, keyVersion, bytes.nonce);
    expect(wrapped.toString("hex")).toBe(vector.wrapped);
    expect(unwrapKey(by, context, wrapped)).toEqual(bytes.key);
    expect(readWrappedKeyHeader(wrapped)).toEqual({ serviceKeyVersion, keyVersion });
    expect(plainWrap({ ...vector, ...bytes }).toString("hex")).toBe(vector.wrapped);
    expect(plainUnwrap({ ...vector, ...bytes }, wrapped)).toEqual(bytes.key);
  }
});

test("both implementations make the published index tokens to the bit", () => {
  const vectors = ownVectors<{
    key: string;
    exact: { value: string; normal: string; token: string }[];
    layers: { key: string; below: string; token: string }[];
  }>("blind-index");
  const key = hex(vectors.key);
  for (const { value, normal, token } of vectors.exact) {
    expect(normalise(value)).toBe(normal);
    expect(exactToken(key, value).toString("hex")).toBe(token);
    expect(plainExact(key, normal)).toBe(token);
  }
  for (const { key: layerKey, below, token } of vectors.layers) {
    expect(plainLayer(hex(layerKey), below)).toBe(token);
    expect(layeredToken(hex(layerKey), hex(below)).toString("hex")).toBe(token);
  }
});

test("both implementations sign the published statements to the byte", () => {
  const vectors =
    ownVectors<{ seed: string; purpose: string; parts: string[]; message: string; signature: string }[]>(
      "statement",
    );
  for (const { seed, purpose, parts, message, signature } of vectors) {
    expect(plainStatement(purpose, parts).toString("hex")).toBe(message);
    expect(statement(purpose, ...parts).toString("hex")).toBe(message);
    expect(signEd25519(privateKeyOf(hex(seed)), hex(message)).toString("hex")).toBe(signature);
    expect(plainSign(hex(seed), hex(message)).toString("hex")).toBe(signature);
  }
});

test("both implementations make the published statements over records, under each of the four digests", () => {
  const vectors = ownVectors<SignedRecordVector[]>("signed-record");
  expect(new Set(vectors.map(({ digest }) => digest))).toEqual(new Set(DIGESTS));
  for (const { seed, content, statement: text, signature, ...record } of vectors) {
    expect(plainContentHash(content, record.digest)).toBe(record.contentHash);
    expect(contentHashOf(JSON.parse(content), record.digest)).toBe(record.contentHash);
    expect(plainRecordStatement(record)).toBe(text);
    expect(recordStatement(record)).toBe(text);
    expect(plainSign(hex(seed), Buffer.from(text)).toString("hex")).toBe(signature);
  }
});
