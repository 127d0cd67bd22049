import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { type PlainBox, plainBox, plainOpenBox, plainUnwrap, plainWrap } from "../test/plain-box.ts";
import { plainCobblestone256, plainOpenCobblestone256 } from "../test/plain-chunked.ts";
import {
  plainContentHash,
  plainExact,
  plainLayer,
  plainQuery,
  plainRecordStatement,
  plainSign,
  plainStatement,
  plainTokens,
} from "../test/plain-rest.ts";
import { ownVectors } from "../test/shared-data.ts";
import { shake } from "../test/vector-parts.ts";
import { layeredToken, normalise } from "./blind-index.ts";
import { statement } from "./signatures.ts";
import { contentHashOf, recordStatement, type SignedRecord } from "./signed-record.ts";
import { DIGESTS } from "./suites.ts";

type SignedRecordVector = SignedRecord & Record<"seed" | "content" | "statement" | "signature", string>;

// The tests of src run the same files; here the second implementation makes and opens them.
const hex = (text: string): Buffer => Buffer.from(text, "hex");

test("the plain implementation makes and opens the published boxes", () => {
  type Vector = Record<"subjectKey" | "nonce" | "plaintext" | "box", string> &
    Omit<PlainBox, "subjectKey" | "nonce" | "plaintext">;
  for (const vector of ownVectors<Vector[]>("row-box")) {
    const plaintext = Buffer.from(vector.plaintext);
    const given = { ...vector, subjectKey: hex(vector.subjectKey), nonce: hex(vector.nonce), plaintext };
    expect(plainBox(given).toString("hex")).toBe(vector.box);
    expect(plainOpenBox(given, hex(vector.box))).toEqual(plaintext);
  }
});

test("the plain implementation makes and opens the published wrapped keys", () => {
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
    expect(plainWrap({ ...vector, ...bytes }).toString("hex")).toBe(vector.wrapped);
    expect(plainUnwrap({ ...vector, ...bytes }, hex(vector.wrapped))).toEqual(bytes.key);
  }
});

test("the plain implementation makes and opens the published chunked messages", () => {
  type Vector = Record<"key" | "salt" | "context" | "messageLabel" | "sealedSha256", string> & {
    messageBytes: number;
  };
  for (const vector of ownVectors<Vector[]>("cobblestone-256")) {
    const message = shake(vector.messageLabel, vector.messageBytes);
    const [key, context] = [hex(vector.key), hex(vector.context)];
    const sealed = plainCobblestone256(key, hex(vector.salt), context, message);
    expect(createHash("sha256").update(sealed).digest("hex")).toBe(vector.sealedSha256);
    expect(plainOpenCobblestone256(key, context, sealed)).toEqual(message);
  }
});

test("the plain implementation makes the published index tokens", () => {
  const vectors = ownVectors<{
    key: string;
    exact: { normal: string; token: string }[];
    substring: { bits: number; value: string; tokens: string[] }[];
    query: { part: string; tokens: string[] }[];
    layers: { key: string; below: string; token: string }[];
  }>("blind-index");
  const key = hex(vectors.key);
  for (const { normal, token } of vectors.exact) expect(plainExact(key, normal)).toBe(token);
  for (const { value, bits, tokens } of vectors.substring) {
    expect(plainTokens(key, normalise(value), bits)).toEqual(tokens);
  }
  for (const { part, tokens } of vectors.query) {
    expect(plainQuery(key, normalise(part), 12)).toEqual(tokens);
  }
  for (const { key: layerKey, below, token } of vectors.layers) {
    expect(plainLayer(hex(layerKey), below)).toBe(token);
    expect(layeredToken(hex(layerKey), hex(below)).toString("hex")).toBe(token);
  }
});

test("the plain implementation signs the published statements", () => {
  const vectors =
    ownVectors<{ seed: string; purpose: string; parts: string[]; message: string; signature: string }[]>(
      "statement",
    );
  for (const { seed, purpose, parts, message, signature } of vectors) {
    expect(plainStatement(purpose, parts).toString("hex")).toBe(message);
    expect(statement(purpose, ...parts).toString("hex")).toBe(message);
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
