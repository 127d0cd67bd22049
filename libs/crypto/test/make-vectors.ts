import { createHash } from "node:crypto";
import { lp, plainBox, plainWrap } from "./plain-box.ts";
import { plainCobblestone256 } from "./plain-chunked.ts";
import { plainFernet } from "./plain-fernet.ts";
import { plainPaddedLength } from "./plain-padding.ts";
import {
  plainContentHash,
  plainExact,
  plainLayer,
  plainRecordStatement,
  plainSign,
  plainStatement,
} from "./plain-rest.ts";
import { labelled as bytes, ID, shake, write } from "./vector-parts.ts";

/**
 * Writes libs/crypto/vectors/*.json by the plain implementations alone. A published vector never
 * changes: run it to add some, and look at the diff. `node libs/crypto/test/make-vectors.ts`
 */
function boxes(): object[] {
  const texts = [
    "{}",
    '{"medication":"Ibuprofen 400 mg","notes":null}',
    `{"body":"${"æ𝒳 O'Brien <120 ".repeat(60)}"}`,
    '{"medication":"Metformin hydrochloride 500 mg","notes":null}'.padEnd(plainPaddedLength(0)),
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

/** Lengths on both sides of each step up to 4 KiB, and some far above. */
function paddings(): object[] {
  const steps = [
    576, 768, 1_536, 1_664, 1_792, 1_920, 2_048, 2_304, 2_560, 2_816, 3_072, 3_328, 3_584, 3_840, 4_096,
  ];
  const far = [100_000, 1_048_576, 1_048_577, 104_857_600];
  return [0, 1, ...steps.flatMap((length) => [length - 1, length, length + 1]), ...far].map((length) => ({
    bytes: length,
    padded: plainPaddedLength(length),
  }));
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

/** A message is SHAKE256 of its label, given by length alone; what is sealed is given by hash. */
function cobblestone(): object[] {
  return [0, 1, 16_383, 16_384, 16_385, 40_000, 257 * 16_384].map((length, n) => {
    const key = bytes(`input key ${n}`, 32);
    const salt = bytes(`salt ${n}`, 24);
    const context =
      n % 2 === 0 ? Buffer.alloc(0) : Buffer.concat(["medvault/file/v1", "files", ID(n)].map(lp));
    const message = shake(`message ${n}`, length);
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
  const exact = (normal: string): string => plainExact(key, normal);
  const layerOf = (n: number, below: string) => {
    const layerKey = bytes(`layer key ${n}`, 32);
    return { key: layerKey.toString("hex"), below, token: plainLayer(layerKey, below) };
  };
  const second = layerOf(2, exact("s1234567d"));
  return {
    key: key.toString("hex"),
    exact: [
      { value: "S1234567D", normal: "s1234567d", token: exact("s1234567d") },
      { value: "  Ångström  Straße ", normal: "angstrom strasse", token: exact("angstrom strasse") },
      { value: "", normal: "", token: exact("") },
    ],
    layers: [second, layerOf(3, second.token)],
  };
}

function statements(): object[] {
  const record = [
    "records",
    "prescriptions",
    ID(1),
    ID(101),
    '{"medication":"Ibuprofen 400 mg","signedBy":"k1"}',
  ];
  return [["record", "records", ID(1), "1"], ["erasure"], ["record", ...record]].map(
    ([purpose = "", ...parts], n) => {
      const seed = bytes(`seed ${n}`, 32);
      const message = plainStatement(purpose, parts);
      const hex = { message: message.toString("hex"), signature: plainSign(seed, message).toString("hex") };
      return { seed: seed.toString("hex"), purpose, parts, ...hex };
    },
  );
}

/** One content under each digest, and another version of it. */
function signedRecords(): object[] {
  const content =
    '{"body":"Ångström: 120/80","code":"11488-4","occurredAt":"2026-01-31T07:30:00.000Z","title":"Visit","type":"note"}';
  return ["sha256", "sha512", "sha3-256", "sha3-512"].map((digest, n) => {
    const seed = bytes(`record seed ${n}`, 32);
    const record = {
      recordId: ID(1),
      patientId: ID(101),
      version: n + 1,
      contentHash: plainContentHash(content, digest),
      digest,
      signedBy: ID(201),
      signedAt: "2026-01-31T08:00:00.000Z",
    };
    const statement = plainRecordStatement(record);
    const signature = plainSign(seed, Buffer.from(statement)).toString("hex");
    return { seed: seed.toString("hex"), content, ...record, statement, signature };
  });
}

/** `now` and the token's own time are Unix seconds. */
function fernets(): object[] {
  const seconds = 1_767_225_600;
  return [
    { message: "", nowSeconds: seconds },
    { message: "hello", nowSeconds: seconds + 60, maxAgeSeconds: 60 },
    { message: "sixteen bytes ok", nowSeconds: seconds + 100_000_000 },
    { message: "Ångström ".repeat(40), nowSeconds: seconds - 60, maxAgeSeconds: 1 },
    { message: "skew", nowSeconds: seconds - 300, maxClockSkewSeconds: 300 },
  ].map((given, n) => {
    const [key, iv] = [bytes(`fernet key ${n}`, 32), bytes(`fernet iv ${n}`, 16)];
    const token = plainFernet({ key, seconds, iv, message: Buffer.from(given.message) });
    return { key: key.toString("base64url"), token, createdAtSeconds: seconds, ...given };
  });
}

write("row-box", boxes());
write("padding", paddings());
write("wrapped-key", wrappedKeys());
write("cobblestone-256", cobblestone());
write("blind-index", blindIndexes());
write("statement", statements());
write("signed-record", signedRecords());
write("fernet", fernets());
