import { createHmac, createSecretKey, hkdfSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { hkdfExpand } from "../test/plain-box.ts";
import { sharedText, sharedVectors } from "../test/shared-data.ts";
import { aeadOpen, aeadSealInto } from "./aead.ts";
import { hkdfSha256, lengthPrefixed } from "./bytes.ts";
import { FieldOutOfRange, KeyInvalid } from "./errors.ts";
import { keyedHash } from "./keyed-hash.ts";
import { publicKeyOf, verifyEd25519 } from "./signatures.ts";
import type { Suite } from "./suites.ts";

interface Suites<T> {
  testGroups: ({ tests: (T & { tcId: number; result: string })[] } & Record<string, unknown>)[];
}
interface AeadCase {
  key: string;
  iv: string;
  aad: string;
  msg: string;
  ct: string;
  tag: string;
}

const hex = (text: string): Buffer => Buffer.from(text, "hex");

test("both ciphers agree with Wycheproof, where it is at hand", () => {
  for (const [suite, file] of [
    ["aes-256-gcm", "aes_gcm_test"],
    ["chacha20-poly1305", "chacha20_poly1305_test"],
  ] as [Suite, string][]) {
    const groups = sharedVectors<Suites<AeadCase>>(`wycheproof/${file}.json`)?.testGroups ?? [];
    const ours = groups.filter(
      (group) => group.ivSize === 96 && group.keySize === 256 && group.tagSize === 128,
    );
    for (const { key, iv, aad, msg, ct, tag, result, tcId } of ours.flatMap((group) => group.tests)) {
      const opened = aeadOpen(suite, createSecretKey(hex(key)), hex(iv), hex(aad), hex(ct + tag), 0);
      expect(opened?.toString("hex") ?? null, `${suite} ${tcId}`).toBe(result === "invalid" ? null : msg);
      if (result === "invalid") continue;
      const sealed = Buffer.alloc(ct.length / 2 + 16);
      aeadSealInto(suite, createSecretKey(hex(key)), hex(iv), hex(aad), hex(msg), sealed, 0);
      expect(sealed.toString("hex")).toBe(ct + tag);
    }
  }
});

test("both ciphers agree with a case of their standards", () => {
  // NIST GCM test case 13 (key, nonce and message of nothing) and RFC 8439, 2.8.2, its first block.
  const gcm = Buffer.alloc(16);
  const zeros = createSecretKey(Buffer.alloc(32));
  aeadSealInto("aes-256-gcm", zeros, Buffer.alloc(12), Buffer.alloc(0), Buffer.alloc(0), gcm, 0);
  expect(gcm.toString("hex")).toBe("530f8afbc74536b9a963b4f1c4cb738b");
  const key = Buffer.from(Array.from({ length: 32 }, (_, n) => 0x80 + n));
  const text = Buffer.from(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const sealed = Buffer.alloc(text.length + 16);
  aeadSealInto(
    "chacha20-poly1305",
    createSecretKey(key),
    hex("070000004041424344454647"),
    hex("50515253c0c1c2c3c4c5c6c7"),
    text,
    sealed,
    0,
  );
  expect(sealed.subarray(0, 16).toString("hex")).toBe("d31a8d34648e60db7b86afbc53ef7ec2");
  expect(sealed.subarray(-16).toString("hex")).toBe("1ae10b594f09e26a7e902ecbd0600691");
});

test("HKDF agrees with RFC 5869 and with Wycheproof, where they are at hand", () => {
  // RFC 5869, A.3: no salt, no info.
  expect(hkdfSha256(Buffer.alloc(22, 0x0b), Buffer.alloc(0), 42).toString("hex")).toBe(
    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  );
  interface HkdfCase {
    ikm: string;
    salt: string;
    info: string;
    size: number;
    okm: string;
  }
  const groups = sharedVectors<Suites<HkdfCase>>("wycheproof/hkdf_sha256_test.json")?.testGroups ?? [];
  const cases = groups
    .flatMap((group) => group.tests)
    .filter(({ salt, result }) => salt === "" && result === "valid");
  for (const { ikm, info, size, okm, tcId } of cases) {
    expect(hkdfSha256(hex(ikm), hex(info), size).toString("hex"), String(tcId)).toBe(okm);
  }
});

test("the plain HKDF-Expand of the tests agrees with a case of RFC 5869", () => {
  const prk = hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  expect(hkdfExpand("sha256", prk, hex("f0f1f2f3f4f5f6f7f8f9"), 42).toString("hex")).toBe(
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  );
});

test("the HMAC and HKDF beneath all formats agree with Wycheproof and the RFCs, where they are at hand", () => {
  interface MacCase {
    key: string;
    msg: string;
    tag: string;
  }
  const macs = sharedVectors<Suites<MacCase>>("wycheproof/hmac_sha256_test.json")?.testGroups ?? [];
  for (const group of macs) {
    for (const { key, msg, tag, result, tcId } of group.tests) {
      const made = createHmac("sha256", hex(key)).update(hex(msg)).digest("hex").slice(0, tag.length);
      expect(made === tag, String(tcId)).toBe(result === "valid");
    }
  }
  for (const [file, digest] of [
    ["rfc/rfc-4231-sha256.txt", "sha256"],
    ["rfc/rfc-4231-sha512.txt", "sha512"],
  ] as const) {
    for (const { Key = "", Msg = "", MD } of fields(sharedText(file), "MD")) {
      expect(createHmac(digest, hex(Key)).update(hex(Msg)).digest("hex")).toBe(MD);
    }
  }
  for (const { IKM = "", salt = "", info = "", L, OKM } of fields(
    sharedText("rfc/rfc-5869-HKDF-SHA256.txt"),
    "OKM",
  )) {
    const made = Buffer.from(hkdfSync("sha256", hex(IKM), hex(salt), hex(info), Number(L)));
    expect(made.toString("hex")).toBe(OKM);
    if (salt === "") expect(hkdfSha256(hex(IKM), hex(info), Number(L)).toString("hex")).toBe(OKM);
  }
});

/** Cases of `name = value` lines; the one named `last` ends each. */
function fields(text: string, last: string): Record<string, string>[] {
  const cases: Record<string, string>[] = [];
  let open: Record<string, string> = {};
  for (const [, name = "", value = ""] of text.matchAll(/^(\w+)\s*=[ \t]*(.*)$/gm)) {
    open[name] = value.trim();
    if (name !== last) continue;
    cases.push(open);
    open = {};
  }
  return cases;
}

test("Ed25519 agrees with Wycheproof, where it is at hand", () => {
  interface Case {
    msg: string;
    sig: string;
  }
  const groups = sharedVectors<Suites<Case>>("wycheproof/ed25519_test.json")?.testGroups ?? [];
  for (const group of groups) {
    const key = publicKeyOf({ kty: "OKP", crv: "Ed25519", x: (group.publicKeyJwk as { x: string }).x });
    for (const { msg, sig, result, tcId } of group.tests) {
      expect(verifyEd25519(key, hex(msg), hex(sig)), String(tcId)).toBe(result === "valid");
    }
  }
});

test("a keyed hash is of its key, purpose and parts to the letter", () => {
  const key = Buffer.alloc(32, 1);
  const hashes = [
    keyedHash(key, "token", "aB"),
    keyedHash(key, "token", "ab"),
    keyedHash(key, "token", "a", "B"),
    keyedHash(key, "tokena", "B"),
    keyedHash(Buffer.alloc(32, 2), "token", "aB"),
  ];
  expect(new Set(hashes.map((hash) => hash.toString("hex"))).size).toBe(hashes.length);
  expect(keyedHash(key, "token", Buffer.from("aB"))).toEqual(hashes[0]);
  expect(() => keyedHash(Buffer.alloc(31), "token")).toThrow(KeyInvalid);
});

test("length-prefixing keeps parts apart", () => {
  expect(lengthPrefixed("ab", Buffer.from([255]), "").toString("hex")).toBe("00000002616200000001ff00000000");
  expect(lengthPrefixed("é").toString("hex")).toBe("00000002c3a9");
  expect(lengthPrefixed("a", "b")).not.toEqual(lengthPrefixed("ab", ""));
});

test("threat: no error of this library carries a value that it was given", () => {
  const source = readFileSync(new URL("./errors.ts", import.meta.url), "utf8");
  const interpolated = [...source.matchAll(/\$\{(\w+)\}/g)].map((match) => match[1]);
  expect(new Set(interpolated)).toEqual(new Set(["field", "algorithm", "reason"]));
  expect(new FieldOutOfRange("rev").message).toBe("rev is outside of what the format can carry");
});
