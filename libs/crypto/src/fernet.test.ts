import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { base64url, plainFernet, plainOpenFernet } from "../test/plain-fernet.ts";
import { ownVectors, sharedVectors } from "../test/shared-data.ts";
import { flipped } from "../test/vector-parts.ts";
import { FernetExpired, FernetForged, FernetFromFuture, FernetRefused, KeyInvalid } from "./errors.ts";
import { openFernet } from "./fernet.ts";

const SECONDS = 1_767_225_600;
const now = new Date(SECONDS * 1_000);
const key = randomBytes(32);
const tokenOf = (message: Buffer): string =>
  plainFernet({ key, seconds: SECONDS, iv: randomBytes(16), message });

interface SpecVector {
  desc?: string;
  token: string;
  now: string;
  ttl_sec: number;
  secret: string;
  src?: string;
}

test("the published tokens open, by both implementations", () => {
  interface Vector {
    key: string;
    token: string;
    createdAtSeconds: number;
    message: string;
    nowSeconds: number;
    maxAgeSeconds?: number;
    maxClockSkewSeconds?: number;
  }
  for (const { key: k, token, createdAtSeconds, message, nowSeconds, ...limits } of ownVectors<Vector[]>(
    "fernet",
  )) {
    const opened = openFernet(token, k, { now: new Date(nowSeconds * 1_000), ...limits });
    expect(opened.message.toString()).toBe(message);
    expect(opened.createdAt).toEqual(new Date(createdAtSeconds * 1_000));
    const { maxAgeSeconds, maxClockSkewSeconds } = limits;
    const bytes = Buffer.from(k, "base64url");
    const plain = plainOpenFernet(token, bytes, nowSeconds, maxAgeSeconds, maxClockSkewSeconds);
    expect(plain.toString()).toBe(message);
  }
});

test("the token of the specification opens for a minute, with a frozen clock", () => {
  // https://github.com/fernet/spec, generate.json and verify.json
  const token =
    "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
  const secret = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
  const at = (time: string): ReturnType<typeof openFernet> =>
    openFernet(token, secret, { now: new Date(time), maxAgeSeconds: 60 });
  expect(at("1985-10-26T01:20:01-07:00").message.toString()).toBe("hello");
  expect(at("1985-10-26T01:21:00-07:00").message.toString()).toBe("hello");
  expect(() => at("1985-10-26T01:21:01-07:00")).toThrow(FernetExpired);
  expect(at("1985-10-26T01:19:00-07:00").message.toString()).toBe("hello");
  expect(() => at("1985-10-26T01:18:59-07:00")).toThrow(FernetFromFuture);
});

test("the specification's own vectors hold, where they are at hand", () => {
  const opened = (vector: SpecVector): Buffer =>
    openFernet(vector.token, vector.secret, { now: new Date(vector.now), maxAgeSeconds: vector.ttl_sec })
      .message;
  for (const vector of sharedVectors<SpecVector[]>("fernet/verify.json") ?? []) {
    expect(opened(vector).toString()).toBe(vector.src);
  }
  for (const vector of sharedVectors<SpecVector[]>("fernet/invalid.json") ?? []) {
    expect(() => opened(vector), vector.desc).toThrow(FernetRefused);
  }
  const generated = sharedVectors<(SpecVector & { iv: number[] })[]>("fernet/generate.json") ?? [];
  for (const { token, now: made, iv, src = "", secret } of generated) {
    const given = {
      key: Buffer.from(secret, "base64url"),
      seconds: Date.parse(made) / 1_000,
      iv: Buffer.from(iv),
    };
    expect(plainFernet({ ...given, message: Buffer.from(src) })).toBe(token);
  }
});

test("whatever was put in comes out, with the key as bytes or as text, padded or not", () => {
  const property = fc.property(fc.uint8Array({ maxLength: 500 }), (array) => {
    const message = Buffer.from(array);
    const token = tokenOf(message);
    for (const spelt of [token, token.replace(/=+$/, "")]) {
      expect(openFernet(spelt, key, { now }).message).toEqual(message);
      expect(openFernet(spelt, base64url(key), { now }).message).toEqual(message);
    }
  });
  fc.assert(property);
});

test("a token with any one byte changed, or cut anywhere, is refused", () => {
  const token = tokenOf(Buffer.from("a message of two blocks"));
  const bytes = Buffer.from(token, "base64url");
  for (let at = 0; at < bytes.length; at += 1) {
    expect(() => openFernet(base64url(flipped(bytes, at)), key, { now }), `byte ${at}`).toThrow(FernetForged);
    expect(() => openFernet(base64url(bytes.subarray(0, at)), key, { now })).toThrow(FernetRefused);
  }
});

test("a time that is no time, and limits that are no numbers, refuse", () => {
  const token = tokenOf(Buffer.from("x"));
  expect(() => openFernet(token, key, { now: new Date(Number.NaN) })).toThrow(FernetFromFuture);
  expect(() => openFernet(token, key, { now, maxAgeSeconds: Number.NaN })).toThrow(FernetExpired);
  expect(() => openFernet(token, key, { now, maxClockSkewSeconds: Number.NaN })).toThrow(FernetFromFuture);
});

test("a key that is not 32 bytes is refused, and the caller's key is left as it was", () => {
  const token = tokenOf(Buffer.from("x"));
  for (const bad of [key.subarray(1), "", "AAAA", `${base64url(key)}\n`, key.toString("hex")]) {
    expect(() => openFernet(token, bad, { now })).toThrow(KeyInvalid);
  }
  const before = Buffer.from(key);
  openFernet(token, key, { now });
  expect(key).toEqual(before);
});

test("threat: the refusal of a forged token says only that it is forged, whatever else is wrong with it", () => {
  const forged = plainFernet({
    key: randomBytes(32),
    seconds: 1,
    iv: randomBytes(16),
    message: key,
    version: 1,
  });
  expect(() => openFernet(forged, key, { now, maxAgeSeconds: 1 })).toThrow(FernetForged);
});
