import { createHash } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { plainOpenBox, plainUnwrap } from "../test/plain-box.ts";
import { type Edit, edited, plainCobblestone256, plainOpenCobblestone256 } from "../test/plain-chunked.ts";
import { plainOpenFernet } from "../test/plain-fernet.ts";
import { plainExact, plainRecordStatement, plainStatement, plainVerify } from "../test/plain-rest.ts";
import { ownVectors } from "../test/shared-data.ts";
import { shake } from "../test/vector-parts.ts";
import { exactToken, normalise } from "./blind-index.ts";
import { type BoxContext, openBox } from "./box.ts";
import { createOpenStream } from "./chunked.ts";
import { openFernet } from "./fernet.ts";
import { privateKeyOf, publicJwkOf, publicKeyOf, statement, verifyEd25519 } from "./signatures.ts";
import { recordStatement, type SignedRecord } from "./signed-record.ts";
import { unwrapKey } from "./wrap.ts";

const hex = (text: string): Buffer => Buffer.from(text, "hex");

/** Expects a refusal of this code. */
function expectRefused(work: () => unknown, code: string, why: string): void {
  expect(work, why).toThrow(expect.objectContaining({ code }));
}

test("what must not open as a box is refused as published, by both implementations", () => {
  type Vector = BoxContext &
    Record<"why" | "subjectKey" | "box" | "refusal", string> & { keyVersion: number };
  const vectors = ownVectors<Vector[]>("row-box-refused");
  for (const vector of vectors) {
    const { why, refusal, keyVersion } = vector;
    const subjectKey = hex(vector.subjectKey);
    const box = hex(vector.box);
    expectRefused(() => openBox({ key: subjectKey, version: keyVersion }, vector, box), refusal, why);
    expect(plainOpenBox({ ...vector, subjectKey }, box), why).toBe(refusal);
  }
  expect(new Set(vectors.map(({ refusal }) => refusal)).size).toBe(6);
});

test("what must not unwrap is refused as published, by both implementations", () => {
  type Vector = Record<"why" | "serviceKey" | "wrapped" | "refusal", string> & {
    serviceKeyVersion: number;
    context: string[];
  };
  const vectors = ownVectors<Vector[]>("wrapped-key-refused");
  for (const { why, serviceKey, serviceKeyVersion, context, wrapped, refusal } of vectors) {
    const by = { key: hex(serviceKey), version: serviceKeyVersion };
    expectRefused(() => unwrapKey(by, context, hex(wrapped)), refusal, why);
    const plain = plainUnwrap({ serviceKey: by.key, serviceKeyVersion, context }, hex(wrapped));
    expect(plain, why).toBe(refusal);
  }
  expect(new Set(vectors.map(({ refusal }) => refusal)).size).toBe(4);
});

test("what must not open as a chunked message is refused as published, by both implementations", async () => {
  interface Vector {
    why: string;
    sealedWithKey: string;
    sealedWithContext: string;
    salt: string;
    messageLabel: string;
    messageBytes: number;
    edits: Edit[];
    editedSha256: string;
    key: string;
    context: string;
    refusal: string;
  }
  for (const vector of ownVectors<Vector[]>("cobblestone-256-refused")) {
    const message = shake(vector.messageLabel, vector.messageBytes);
    const [sealedWithKey, sealedWithContext] = [hex(vector.sealedWithKey), hex(vector.sealedWithContext)];
    const whole = plainCobblestone256(sealedWithKey, hex(vector.salt), sealedWithContext, message);
    const shown = edited(whole, vector.edits);
    expect(createHash("sha256").update(shown).digest("hex")).toBe(vector.editedSha256);
    const [key, context] = [hex(vector.key), hex(vector.context)];
    expect(plainOpenCobblestone256(key, context, shown), vector.why).toBe(vector.refusal);
    const opening = async (): Promise<Buffer> => {
      const stream = createOpenStream(key, context);
      stream.end(shown);
      return await buffer(stream);
    };
    await expect(opening(), vector.why).rejects.toMatchObject({ code: vector.refusal });
  }
});

test("what must not open as Fernet is refused as published, by both implementations", () => {
  interface Vector {
    why: string;
    key: string;
    token: string;
    nowSeconds: number;
    maxAgeSeconds: number;
    maxClockSkewSeconds?: number;
    refusal: string;
  }
  const vectors = ownVectors<Vector[]>("fernet-refused");
  for (const { why, key, token, nowSeconds, refusal, ...limits } of vectors) {
    const now = new Date(nowSeconds * 1_000);
    expectRefused(() => openFernet(token, key, { now, ...limits }), refusal, why);
    const { maxAgeSeconds, maxClockSkewSeconds } = limits;
    const keyBytes = Buffer.from(key, "base64url");
    const plain = plainOpenFernet(token, keyBytes, nowSeconds, maxAgeSeconds, maxClockSkewSeconds);
    expect(plain, why).toBe(refusal);
  }
  expect(new Set(vectors.map(({ refusal }) => refusal)).size).toBe(5);
});

test("signatures that are not of the statement beside them are not taken, by both implementations", () => {
  const vectors =
    ownVectors<{ why: string; seed: string; purpose: string; parts: string[]; signature: string }[]>(
      "statement-refused",
    );
  for (const { why, seed, purpose, parts, signature } of vectors) {
    const message = statement(purpose, ...parts);
    expect(message).toEqual(plainStatement(purpose, parts));
    const publicKey = publicKeyOf(publicJwkOf(privateKeyOf(hex(seed))));
    expect(verifyEd25519(publicKey, message, hex(signature)), why).toBe(false);
    expect(plainVerify(hex(seed), message, hex(signature)), why).toBe(false);
  }
});

test("a signature over a record is good for no other record, version, content or digest, by both implementations", () => {
  type Vector = SignedRecord & Record<"why" | "seed" | "signature", string>;
  for (const { why, seed, signature, ...record } of ownVectors<Vector[]>("signed-record-refused")) {
    const message = Buffer.from(recordStatement(record));
    expect(message.toString()).toBe(plainRecordStatement(record));
    const publicKey = publicKeyOf(publicJwkOf(privateKeyOf(hex(seed))));
    expect(verifyEd25519(publicKey, message, hex(signature)), why).toBe(false);
    expect(plainVerify(hex(seed), message, hex(signature)), why).toBe(false);
  }
});

test("texts that must not meet in an index do not, and what is too long is refused", () => {
  const vectors = ownVectors<{
    key: string;
    different: [string, string][];
    refused: { why: string; text: string; times: number; refusal: string }[];
  }>("blind-index-refused");
  const key = hex(vectors.key);
  for (const [one, other] of vectors.different) {
    expect(exactToken(key, one)).not.toEqual(exactToken(key, other));
    expect(plainExact(key, normalise(one))).toBe(exactToken(key, one).toString("hex"));
  }
  for (const { why, text, times, refusal } of vectors.refused) {
    expectRefused(() => exactToken(key, text.repeat(times)), refusal, why);
  }
});
