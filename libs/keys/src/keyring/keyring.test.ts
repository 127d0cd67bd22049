import { randomBytes } from "node:crypto";
import { DerivingKey, WrappedKeyRefused, WrappedKeyTruncated } from "@medvault/crypto";
import { expect, test } from "vitest";
import { testKeyring } from "../../test/harness.ts";
import { OpenedKeys } from "./opened-keys.ts";

const keyring = testKeyring("records", randomBytes(32), 3);
const key = randomBytes(32);

test("a wrapped key unwraps in its own context, kind and service alone", () => {
  const shared = randomBytes(32);
  const records = testKeyring("records", shared);
  const files = testKeyring("files", shared);
  const wrapped = records.wrap(key, ["subject", "a"]);
  expect(records.unwrap(wrapped, ["subject", "a"])).toEqual(key);
  expect(() => records.unwrap(wrapped, ["subject", "b"])).toThrow(WrappedKeyRefused);
  expect(() => records.unwrap(wrapped, ["table", "a"])).toThrow(WrappedKeyRefused);
  expect(() => files.unwrap(wrapped, ["subject", "a"])).toThrow(WrappedKeyRefused);
  expect(() => keyring.unwrap(wrapped, ["subject", "a"])).toThrow(WrappedKeyRefused);
});

test("the same wrapped bytes are opened once, and never for another subject", () => {
  const wrapped = keyring.wrap(key, ["subject", "a"], 5);
  const opened = keyring.subjectKey(wrapped, "a");
  expect(opened).toMatchObject({ key, version: 5 });
  expect(keyring.subjectKey(Buffer.from(wrapped), "a").key).toBe(opened.key);
  expect(() => keyring.subjectKey(wrapped, "b")).toThrow(WrappedKeyRefused);
});

test("threat: a rewrapped or shredded key is not served from memory, because it comes from other bytes", () => {
  const first = keyring.wrap(key, ["subject", "a"]);
  const again = keyring.wrap(key, ["subject", "a"]);
  expect(keyring.subjectKey(again, "a").key).not.toBe(keyring.subjectKey(first, "a").key);
  const changed = Buffer.from(first);
  changed[80] = (changed[80] ?? 0) ^ 1;
  expect(() => keyring.subjectKey(changed, "a")).toThrow(WrappedKeyRefused);
});

const from = Buffer.from("wrapped");
const openedOf = (key: Buffer) => ({ key, version: 1, deriving: new DerivingKey(key) });

test("the cache holds so many keys and no more, drops the oldest that nobody used since, and wipes it", () => {
  const cache = new OpenedKeys(2);
  const open = (fill: number) => () => openedOf(Buffer.alloc(32, fill));
  const a = cache.get("a", from, open(1));
  const b = cache.get("b", from, open(2));
  expect(cache.get("a", from, open(9))).toBe(a);
  const c = cache.get("c", from, open(3));
  expect(cache.size).toBe(2);
  expect(b.key).toEqual(Buffer.alloc(32));
  expect([a.key[0], c.key[0]]).toEqual([1, 3]);
  cache.get("c", from, open(9));
  const d = cache.get("d", from, open(4));
  expect([cache.size, a.key[0], c.key[0], d.key[0]]).toEqual([2, 0, 3, 4]);
  cache.wipe();
  expect([cache.size, c.key[0], d.key[0]]).toEqual([0, 0, 0]);
});

test("threat: a key whose place has another now is wiped, and what does not open changes nothing", () => {
  const cache = new OpenedKeys(2);
  const open = (fill: number) => () => openedOf(Buffer.alloc(32, fill));
  const former = cache.get("a", from, open(1));
  const refuse = () => {
    throw new WrappedKeyTruncated();
  };
  expect(() => cache.get("a", Buffer.from("other"), refuse)).toThrow(WrappedKeyTruncated);
  expect(cache.get("a", from, open(9))).toBe(former);
  const next = cache.get("a", Buffer.from("rewrapped"), open(2));
  expect([cache.size, former.key[0], next.key[0]]).toEqual([1, 0, 2]);
});

test("a keyring that evicts and wipes still opens everything", () => {
  const wrapped = Array.from({ length: 10 }, (_, n) =>
    keyring.wrap(Buffer.alloc(32, n), ["subject", String(n)]),
  );
  for (let round = 0; round < 2; round += 1) {
    for (const [n, bytes] of wrapped.entries()) {
      expect(keyring.subjectKey(bytes, String(n)).key).toEqual(Buffer.alloc(32, n));
    }
  }
  keyring.wipe();
  expect(keyring.subjectKey(wrapped[3] ?? key, "3").key).toEqual(Buffer.alloc(32, 3));
});
