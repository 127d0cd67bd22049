import { createHash, createHmac, createPrivateKey, sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { lp, plainBox, plainWrap } from "./plain-box.ts";
import { plainCobblestone256 } from "./plain-chunked.ts";

/**
 * Writes libs/crypto/vectors/*.json by the plain implementations alone. A published vector never changes: run it to add
 * some, and look at the diff. `node libs/crypto/test/make-vectors.ts`
 */
const bytes = (label: string, length: number): Buffer => {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, n) =>
    createHash("sha256").update(`medvault vector ${label} ${n}`).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
};
const ID = (n: number): string => `0190b3c4-0000-7000-8000-${String(n).padStart(12, "0")}`;
const write = (name: string, content: object): void =>
  writeFileSync(new URL(`../vectors/${name}.json`, import.meta.url), `${JSON.stringify(content, null, 2)}\n`);

function boxes(): object[] {
  const texts = [
    "{}",
    '{"medication":"Ibuprofen 400 mg","notes":null}',
    `{"body":"${"æ𝒳 O'Brien <120 ".repeat(60)}"}`,
  ];
  return (["aes-256-gcm", "chacha20-poly1305"] as const).flatMap((suite, s) =>
    texts.map((plaintext, t) => {
      const n = 10 * s + t;
      const given = {
        suite,
        subjectKey: bytes(`subject key ${n}`, 32),
        keyVersion: t === 2 ? 4_294_967_295 : t + 1,
        nonce: bytes(`nonce ${n}`, 12),
        service: "records",
        table: "prescriptions",
        rowId: ID(n),
        subjectId: ID(100 + n),
        rev: t === 2 ? Number.MAX_SAFE_INTEGER : t + 1,
        typed: `{"patient_id":"${ID(100 + n)}","start_date":"2026-01-31","status":"active"}`,
        open: t === 0 ? "{}" : '{"ward":"3b"}',
        plaintext: Buffer.from(plaintext),
      };
      return {
        ...given,
        subjectKey: given.subjectKey.toString("hex"),
        nonce: given.nonce.toString("hex"),
        plaintext,
        box: plainBox(given).toString("hex"),
      };
    }),
  );
}

function wrappedKeys(): object[] {
  return [
    ["records", "subject", ID(1)],
    ["auth", "signing", "tokens"],
    ["files", "table", ""],
  ].map((context, n) => {
    const given = {
      serviceKey: bytes(`service key ${n}`, 32),
      serviceKeyVersion: n + 1,
      keyVersion: n === 2 ? 4_294_967_295 : 1,
      nonce: bytes(`wrap nonce ${n}`, 12),
      context,
      key: bytes(`wrapped key ${n}`, 32),
    };
    const wrapped = plainWrap(given).toString("hex");
    const hex = { serviceKey: given.serviceKey.toString("hex"), nonce: given.nonce.toString("hex") };
    return { ...given, ...hex, key: given.key.toString("hex"), wrapped };
  });
}

/** A message is SHAKE256 of its label, so that a long one needs only its length here; what is sealed is given by hash. */
function cobblestone(): object[] {
  return [0, 1, 16_383, 16_384, 16_385, 40_000, 257 * 16_384].map((length, n) => {
    const key = bytes(`input key ${n}`, 32);
    const salt = bytes(`salt ${n}`, 24);
    const context =
      n % 2 === 0 ? Buffer.alloc(0) : Buffer.concat(["medvault/file/v1", "files", ID(n)].map(lp));
    const message = createHash("shake256", { outputLength: length }).update(`message ${n}`).digest();
    const sealed = plainCobblestone256(key, salt, context, message);
    return {
      key: key.toString("hex"),
      salt: salt.toString("hex"),
      context: context.toString("hex"),
      messageLabel: `message ${n}`,
      messageBytes: length,
      header: sealed.subarray(0, 56).toString("hex"),
      sealedBytes: sealed.length,
      sealedSha256: createHash("sha256").update(sealed).digest("hex"),
    };
  });
}

function blindIndexes(): object {
  const key = bytes("index key", 32);
  const gram = (text: string, bits: number): string => {
    const domain = Buffer.concat([lp("medvault/index/gram/v1"), lp(String(bits))]);
    const digest = createHmac("sha256", key)
      .update(Buffer.concat([domain, Buffer.from(text)]))
      .digest();
    return (BigInt(`0x${digest.subarray(0, 6).toString("hex")}`) >> BigInt(48 - bits)).toString();
  };
  const set = (grams: string[], bits: number): string[] =>
    [...new Set(grams.map((text) => gram(text, bits)))].sort((a, b) => Number(a) - Number(b));
  const exact = (normal: string): string =>
    createHmac("sha256", key)
      .update(Buffer.concat([lp("medvault/index/exact/v1"), Buffer.from(normal)]))
      .digest()
      .subarray(0, 16)
      .toString("hex");
  return {
    key: key.toString("hex"),
    exact: [
      { value: "S1234567D", normal: "s1234567d", token: exact("s1234567d") },
      { value: "  Ångström  Straße ", normal: "angstrom strasse", token: exact("angstrom strasse") },
      { value: "", normal: "", token: exact("") },
    ],
    substring: [12, 16].map((bits) => ({
      bits,
      value: "Zoë Li",
      tokens: set(["zoe", "oe ", "e l", " li", "^z", "^zo", "^l", "^li"], bits),
    })),
    query: [
      { part: "zoë", tokens: set(["zoe"], 12) },
      { part: "L", tokens: set(["^l"], 12) },
    ],
  };
}

function statements(): object[] {
  return [["record", "records", ID(1), "1"], ["erasure"]].map(([purpose = "", ...parts], n) => {
    const seed = bytes(`seed ${n}`, 32);
    const message = Buffer.concat(["medvault/statement/v1", purpose, ...parts].map(lp));
    const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
    const signature = sign(null, message, createPrivateKey({ key: der, format: "der", type: "pkcs8" }));
    const hex = { message: message.toString("hex"), signature: signature.toString("hex") };
    return { seed: seed.toString("hex"), purpose, parts, ...hex };
  });
}

write("row-box", boxes());
write("wrapped-key", wrappedKeys());
write("cobblestone-256", cobblestone());
write("blind-index", blindIndexes());
write("statement", statements());
