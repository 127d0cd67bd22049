import { expect, test } from "vitest";
import { AlgorithmRefused } from "./errors.ts";
import { parseDigest, parseSuite } from "./suites.ts";

test("the known suites and digests are taken in any case of letters", () => {
  expect(parseSuite("AES-256-GCM")).toBe("aes-256-gcm");
  expect(parseSuite("chacha20-poly1305")).toBe("chacha20-poly1305");
  expect(["sha256", "SHA512", "sha3-256", "sha3-512"].map(parseDigest)).toEqual([
    "sha256",
    "sha512",
    "sha3-256",
    "sha3-512",
  ]);
});

test("broken algorithms are refused with the reason, unknown ones with the choice", () => {
  for (const name of ["des", "arc4", "blowfish", "cast-128", "md5", "sha1"]) {
    for (const parse of [parseSuite, parseDigest]) {
      expect(() => parse(name)).toThrow(AlgorithmRefused);
      expect(() => parse(name.toUpperCase())).not.toThrow(/is none of/);
    }
  }
  expect(() => parseSuite("rot13")).toThrow("rot13 is refused: it is none of aes-256-gcm, chacha20-poly1305");
  expect(() => parseSuite("constructor")).toThrow(AlgorithmRefused);
});
