import { generateKeyPairSync, randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { KeyInvalid } from "./errors.ts";
import {
  generateSeed,
  privateKeyOf,
  publicJwkOf,
  publicKeyOf,
  signEd25519,
  statement,
  thumbprintOf,
  verifyEd25519,
} from "./signatures.ts";

test("the first case of RFC 8032 gives its public key and signature", () => {
  const key = privateKeyOf(
    Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex"),
  );
  const jwk = publicJwkOf(key);
  expect(jwk.x).toBe("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
  expect(signEd25519(key, Buffer.alloc(0)).toString("hex").slice(0, 32)).toBe(
    "e5564300c360ac729086e2cc806e828a",
  );
  expect(thumbprintOf(jwk)).toBe("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"); // RFC 8037, A.3
});

test("a signature is good for its message, key and length alone", () => {
  const key = privateKeyOf(generateSeed());
  const publicKey = publicKeyOf(publicJwkOf(key));
  const message = statement("record", "records", "1");
  const signature = signEd25519(key, message);
  expect(verifyEd25519(publicKey, message, signature)).toBe(true);
  expect(verifyEd25519(publicKey, statement("erasure", "records", "1"), signature)).toBe(false);
  expect(verifyEd25519(publicKeyOf(publicJwkOf(privateKeyOf(generateSeed()))), message, signature)).toBe(
    false,
  );
  for (const bad of [
    signature.subarray(1),
    Buffer.concat([signature, Buffer.alloc(1)]),
    Buffer.alloc(64),
    Buffer.alloc(0),
  ]) {
    expect(verifyEd25519(publicKey, message, bad)).toBe(false);
  }
});

test("anything but an Ed25519 key is refused", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  expect(() => signEd25519(privateKey, Buffer.alloc(1))).toThrow(KeyInvalid);
  expect(() => verifyEd25519(publicKey, Buffer.alloc(1), Buffer.alloc(64))).toThrow(KeyInvalid);
  expect(() => publicJwkOf(privateKey)).toThrow(KeyInvalid);
  expect(() => privateKeyOf(randomBytes(31))).toThrow(KeyInvalid);
  expect(() => publicKeyOf({ kty: "OKP", crv: "Ed25519", x: "AAAA" })).toThrow(KeyInvalid);
});
