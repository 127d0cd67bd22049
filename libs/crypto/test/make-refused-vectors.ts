import { createHash } from "node:crypto";
import { plainBox, plainWrap } from "./plain-box.ts";
import { type Edit, edited, plainCobblestone256 } from "./plain-chunked.ts";
import { base64url, plainFernet } from "./plain-fernet.ts";
import { plainContentHash, plainRecordStatement, plainSign, plainStatement } from "./plain-rest.ts";
import { flipped, ID, labelled, shake, write } from "./vector-parts.ts";

/**
 * Writes libs/crypto/vectors/*-refused.json: what must not open, and by which refusal, written down
 * by hand. A published vector never changes. `node libs/crypto/test/make-refused-vectors.ts`
 */
const hex = (bytes: Buffer): string => bytes.toString("hex");

function boxes(): object[] {
  const sealed = {
    subjectKey: labelled("refused subject key", 32),
    keyVersion: 2,
    service: "records",
    table: "prescriptions",
    rowId: ID(1),
    subjectId: ID(101),
    rev: 3,
    typed: '{"status":"active"}',
    open: '{"ward":"3b"}',
  };
  const nonce = labelled("refused nonce", 12);
  const plaintext = Buffer.from('{"medication":"Ibuprofen 400 mg"}');
  return (["aes-256-gcm", "chacha20-poly1305"] as const).flatMap((suite, s) => {
    const box = plainBox({ ...sealed, suite, nonce, plaintext });
    const withByte = (at: number, value: number): Buffer => {
      const changed = Buffer.from(box);
      changed[at] = value;
      return changed;
    };
    const cases: [why: string, refusal: string, box: Buffer, reader?: Partial<typeof sealed>][] = [
      ["nothing", "box_truncated", Buffer.alloc(0)],
      ["one byte short of header and tag", "box_truncated", box.subarray(0, 65)],
      ["last byte cut", "box_forged", box.subarray(0, -1)],
      ["one byte more", "box_forged", Buffer.concat([box, Buffer.alloc(1)])],
      ["format of a wrapped key", "box_format_unknown", withByte(0, 2)],
      ["suite 0", "box_suite_unknown", withByte(1, 0)],
      ["suite 3", "box_suite_unknown", withByte(1, 3)],
      ["the other suite in the header", "box_commitment_mismatch", withByte(1, 2 - s)],
      ["another key version in the header", "box_key_version_mismatch", withByte(5, 1)],
      ["nonce changed", "box_forged", flipped(box, 6)],
      ["commitment changed, first byte", "box_commitment_mismatch", flipped(box, 18)],
      ["commitment changed, last byte", "box_commitment_mismatch", flipped(box, 49)],
      ["ciphertext changed", "box_forged", flipped(box, 50)],
      ["tag changed", "box_forged", flipped(box, box.length - 1)],
      ["moved to another service", "box_commitment_mismatch", box, { service: "files" }],
      ["moved to another table", "box_commitment_mismatch", box, { table: "claims" }],
      ["moved to another row", "box_commitment_mismatch", box, { rowId: ID(2) }],
      ["parts run over", "box_commitment_mismatch", box, { service: "recordsp", table: "rescriptions" }],
      ["another subject's key", "box_commitment_mismatch", box, { subjectKey: labelled("other key", 32) }],
      ["the subject's next key", "box_key_version_mismatch", box, { keyVersion: 3 }],
      ["beside another subject", "box_forged", box, { subjectId: ID(102) }],
      ["beside an older revision", "box_forged", box, { rev: 2 }],
      ["beside a changed status", "box_forged", box, { typed: '{"status":"ended"}' }],
      ["beside a changed open field", "box_forged", box, { open: '{"ward":"3c"}' }],
    ];
    return cases.map(([why, refusal, shown, reader]) => {
      const given = { ...sealed, ...reader };
      return { why, ...given, subjectKey: hex(given.subjectKey), box: hex(shown), refusal };
    });
  });
}

function wrappedKeys(): object[] {
  const sealed = {
    serviceKey: labelled("refused service key", 32),
    serviceKeyVersion: 4,
    context: ["records", "subject", ID(1)],
  };
  const inner = { keyVersion: 1, nonce: labelled("refused wrap nonce", 12), key: labelled("inner", 32) };
  const wrapped = plainWrap({ ...sealed, ...inner });
  const mismatch = "wrapped_key_commitment_mismatch";
  const cases: [why: string, refusal: string, wrapped: Buffer, reader?: Partial<typeof sealed>][] = [
    ["nothing", "wrapped_key_truncated", Buffer.alloc(0)],
    ["last byte cut", "wrapped_key_truncated", wrapped.subarray(0, -1)],
    ["one byte more", "wrapped_key_truncated", Buffer.concat([wrapped, Buffer.alloc(1)])],
    ["format of a box", "wrapped_key_format_unknown", Buffer.from(wrapped).fill(1, 0, 1)],
    ["suite 2", "wrapped_key_format_unknown", Buffer.from(wrapped).fill(2, 1, 2)],
    ["another service key version in the header", mismatch, flipped(wrapped, 5)],
    ["the key's own version changed", "wrapped_key_forged", flipped(wrapped, 9)],
    ["nonce changed", "wrapped_key_forged", flipped(wrapped, 10)],
    ["commitment changed", mismatch, flipped(wrapped, 22)],
    ["ciphertext changed", "wrapped_key_forged", flipped(wrapped, 54)],
    ["tag changed", "wrapped_key_forged", flipped(wrapped, 101)],
    ["another service key", mismatch, wrapped, { serviceKey: labelled("other service key", 32) }],
    ["another version of the service key", mismatch, wrapped, { serviceKeyVersion: 5 }],
    ["another subject", mismatch, wrapped, { context: ["records", "subject", ID(2)] }],
    ["another kind", mismatch, wrapped, { context: ["records", "table", ID(1)] }],
    ["another service", mismatch, wrapped, { context: ["files", "subject", ID(1)] }],
    ["parts joined", mismatch, wrapped, { context: ["records", `subject${ID(1)}`] }],
  ];
  return cases.map(([why, refusal, shown, reader]) => {
    const given = { ...sealed, ...reader };
    return { why, ...given, serviceKey: hex(given.serviceKey), wrapped: hex(shown), refusal };
  });
}

/** The message is sealed, then edited; the reader's key and context are those given. */
function cobblestone(): object[] {
  const [key, salt] = [labelled("refused input key", 32), labelled("refused salt", 24)];
  const context = Buffer.from("a context");
  const messageBytes = 3 * 16_384 + 100;
  const sealed = plainCobblestone256(key, salt, context, shake("refused message", messageBytes));
  const cases: [why: string, refusal: string, edits: Edit[], reader?: { key?: Buffer; context?: Buffer }][] =
    [
      ["nothing", "chunked_truncated", [{ cutTo: 0 }]],
      ["within the header", "chunked_truncated", [{ cutTo: 55 }]],
      ["header only", "chunked_truncated", [{ cutTo: 56 }]],
      ["within the first tag", "chunked_truncated", [{ cutTo: 71 }]],
      ["within the first chunk", "chunk_forged", [{ cutTo: 5_000 }]],
      ["the last chunk missing", "chunked_truncated", [{ drop: 3 }]],
      ["the last byte missing", "chunk_forged", [{ cutTo: sealed.length - 1 }]],
      ["the first chunk dropped", "chunk_forged", [{ drop: 0 }]],
      ["a middle chunk dropped", "chunk_forged", [{ drop: 1 }]],
      ["a chunk doubled", "chunk_forged", [{ double: 1 }]],
      ["two chunks swapped", "chunk_forged", [{ swap: [0, 1] }]],
      ["the last chunk first", "chunk_forged", [{ swap: [0, 3] }]],
      ["a byte after the end", "chunk_forged", [{ append: "00" }]],
      ["salt changed", "chunked_commitment_mismatch", [{ flip: 0 }]],
      ["commitment changed", "chunked_commitment_mismatch", [{ flip: 55 }]],
      ["first chunk changed", "chunk_forged", [{ flip: 56 }]],
      ["a tag changed", "chunk_forged", [{ flip: 56 + 16_399 }]],
      ["the last tag changed", "chunk_forged", [{ flip: sealed.length - 1 }]],
      ["another key", "chunked_commitment_mismatch", [], { key: labelled("other input key", 32) }],
      ["another context", "chunked_commitment_mismatch", [], { context: Buffer.from("a contex") }],
      ["a key of 16 bytes", "key_invalid", [], { key: key.subarray(0, 16) }],
    ];
  const original = { sealedWithKey: hex(key), sealedWithContext: hex(context), salt: hex(salt) };
  const message = { messageLabel: "refused message", messageBytes };
  return cases.map(([why, refusal, edits, reader]) => {
    const shown = createHash("sha256").update(edited(sealed, edits)).digest("hex");
    const read = { key: hex(reader?.key ?? key), context: hex(reader?.context ?? context) };
    return { why, ...original, ...message, edits, editedSha256: shown, ...read, refusal };
  });
}

function fernets(): object[] {
  const [key, iv, seconds] = [labelled("refused fernet key", 32), labelled("refused iv", 16), 1_767_225_600];
  const given = { key, iv, seconds, message: Buffer.from("a message") };
  const token = plainFernet(given);
  const bytes = Buffer.from(token, "base64url");
  const flip = (at: number): string => base64url(flipped(bytes, at));
  const block = Buffer.alloc(16);
  const reader = { nowSeconds: seconds, maxAgeSeconds: 60 };
  const malformed = "fernet_malformed";
  const cases: [why: string, refusal: string, token: string, reader?: object][] = [
    ["nothing", malformed, ""],
    ["not base64url", malformed, `%${token.slice(1)}`],
    ["the other alphabet", malformed, Buffer.alloc(73, 0xff).toString("base64")],
    ["white space", malformed, `${token}\n`],
    ["too much padding", malformed, `${token.replace(/=+$/, "")}===`],
    ["bits after the last byte", malformed, `${token.replace(/.=+$/, "")}B==`],
    ["no ciphertext", malformed, plainFernet({ ...given, ciphertext: Buffer.alloc(0) })],
    ["not whole blocks", malformed, plainFernet({ ...given, ciphertext: Buffer.alloc(24) })],
    ["version 0x81, well signed", malformed, plainFernet({ ...given, version: 0x81 })],
    ["version changed", "fernet_forged", flip(0)],
    ["time changed", "fernet_forged", flip(8)],
    ["initialisation vector changed", "fernet_forged", flip(9)],
    ["ciphertext changed", "fernet_forged", flip(25)],
    ["tag changed", "fernet_forged", flip(bytes.length - 1)],
    ["another key", "fernet_forged", plainFernet({ ...given, key: labelled("other fernet key", 32) })],
    ["61 s ahead", "fernet_from_future", token, { nowSeconds: seconds - 61 }],
    [
      "one second ahead, no skew allowed",
      "fernet_from_future",
      token,
      { nowSeconds: seconds - 1, maxClockSkewSeconds: 0 },
    ],
    ["made 2^62 seconds after 1970", "fernet_from_future", plainFernet({ ...given, seconds: 2 ** 62 })],
    ["one second too old", "fernet_expired", token, { nowSeconds: seconds + 61 }],
    [
      "padding of no kind, well signed",
      "fernet_padding_invalid",
      plainFernet({ ...given, ciphertext: block }),
    ],
    ["forged and too old", "fernet_forged", flip(30), { nowSeconds: seconds + 1_000 }],
  ];
  return cases.map(([why, refusal, shown, with_]) => ({
    why,
    key: key.toString("base64url"),
    token: shown,
    ...reader,
    ...with_,
    refusal,
  }));
}

/** Signatures that are not of the statement beside them. */
function statements(): object[] {
  const seed = labelled("refused seed", 32);
  const signed = { seed, purpose: "record", parts: ["records", "prescriptions", ID(1), ID(101), "{}"] };
  const good = plainSign(seed, plainStatement(signed.purpose, signed.parts));
  const cases: [why: string, signature: Buffer, shown?: Partial<typeof signed>][] = [
    ["other content", good, { parts: [...signed.parts.slice(0, 4), '{"a":1}'] }],
    ["another row", good, { parts: signed.parts.with(2, ID(2)) }],
    ["another patient", good, { parts: signed.parts.with(3, ID(102)) }],
    ["another purpose", good, { purpose: "erasure" }],
    ["parts joined", good, { parts: ["recordsprescriptions", ...signed.parts.slice(2)] }],
    ["another key", good, { seed: labelled("other seed", 32) }],
    ["signature changed", flipped(good, 0)],
    ["signature cut", good.subarray(1)],
    ["signature of nothing", Buffer.alloc(64)],
  ];
  return cases.map(([why, signature, shown]) => {
    const given = { ...signed, ...shown };
    return { why, ...given, seed: hex(given.seed), signature: hex(signature) };
  });
}

/** A record, and the signature of another one: none is good for it. */
function signedRecords(): object[] {
  const seed = labelled("refused record seed", 32);
  const content = '{"title":"Visit"}';
  const signed = {
    recordId: ID(1),
    patientId: ID(101),
    version: 1,
    contentHash: plainContentHash(content, "sha3-256"),
    digest: "sha3-256",
    signedBy: ID(201),
    signedAt: "2026-01-31T08:00:00.000Z",
  };
  const signature = hex(plainSign(seed, Buffer.from(plainRecordStatement(signed))));
  const cases: [why: string, shown: Partial<typeof signed>][] = [
    ["the digest said to be SHA-256", { digest: "sha256" }],
    ["the digest said to be SHA-512", { digest: "sha512" }],
    ["the content's hash under another digest", { contentHash: plainContentHash(content, "sha256") }],
    ["other content", { contentHash: plainContentHash("{}", "sha3-256") }],
    ["another record", { recordId: ID(2) }],
    ["another patient", { patientId: ID(102) }],
    ["another version", { version: 2 }],
    ["another signer", { signedBy: ID(202) }],
    ["another time", { signedAt: "2026-01-31T08:00:00.001Z" }],
  ];
  return cases.map(([why, shown]) => ({ why, seed: hex(seed), ...signed, ...shown, signature }));
}

/** Texts that must not meet, and what is not indexed at all. */
function blindIndexes(): object {
  return {
    key: hex(labelled("index key", 32)),
    different: [
      ["Müller", "Möller"],
      ["S1234567D", "S1234567E"],
      ["ab c", "a bc"],
    ],
    refused: [
      { why: "4,097 characters", text: "x", times: 4_097, refusal: "index_value_too_long" },
      {
        why: "4,096 characters that fold into more",
        text: "ß",
        times: 4_096,
        refusal: "index_value_too_long",
      },
    ],
  };
}

write("row-box-refused", boxes());
write("wrapped-key-refused", wrappedKeys());
write("cobblestone-256-refused", cobblestone());
write("fernet-refused", fernets());
write("statement-refused", statements());
write("signed-record-refused", signedRecords());
write("blind-index-refused", blindIndexes());
