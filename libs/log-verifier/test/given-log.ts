import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { nodeEngine } from "../src/node/engine.mjs";
import { readKey } from "../src/note.mjs";
import { tilePath } from "../src/tree.mjs";
import type { Kept, Report, Source } from "../src/verify.mjs";

/**
 * RFC 6962 section 2.1 word for word, recursive and slow, for what the verifier is held against.
 */
const h = (...parts: Uint8Array[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
export function plainRoot(hashes: readonly Uint8Array[]): Buffer {
  if (hashes.length === 0) return h();
  if (hashes.length === 1) return Buffer.from(hashes[0] as Uint8Array);
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return h(Buffer.of(1), plainRoot(hashes.slice(0, k)), plainRoot(hashes.slice(k)));
}

/** PROOF(m, D[n]) of RFC 6962 2.1.2, word for word. */
export function plainProof(m: number, hashes: readonly Uint8Array[], whole = true): Buffer[] {
  if (m === hashes.length) return whole ? [] : [plainRoot(hashes)];
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return m <= k
    ? [...plainProof(m, hashes.slice(0, k), whole), plainRoot(hashes.slice(k))]
    : [...plainProof(m - k, hashes.slice(k), false), plainRoot(hashes.slice(0, k))];
}

export function givenSigner(name: string, type = 1) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(12);
  const typed = Buffer.concat([Buffer.of(type), raw]);
  const id = h(Buffer.from(`${name}\n`), typed).subarray(0, 4);
  const line = (bytes: Buffer) => `— ${name} ${Buffer.concat([id, bytes]).toString("base64")}\n`;
  return {
    vkey: `${name}+${id.toString("hex")}+${typed.toString("base64")}`,
    sign: (text: string) => line(sign(null, Buffer.from(text), privateKey)),
    cosign(text: string, seconds: number) {
      const time = Buffer.alloc(8);
      time.writeBigUInt64BE(BigInt(seconds));
      const message = Buffer.from(`cosignature/v1\ntime ${seconds}\n${text}`);
      return line(Buffer.concat([time, sign(null, message, privateKey)]));
    },
  };
}

/** An entry as the service has it: its leaf, and the line of its body. */
export function entry(index: number, seq = index + 1, as: { type?: string; details?: object } = {}) {
  const type = as.type ?? "medvault.records.patient.read.v1";
  const event = {
    data: {
      ...{ action: "patient:read", actor: null },
      ...(as.details && { details: as.details }),
      ...{ from: null, outcome: "success", patientIds: [], purpose: null },
    },
    id: `0197a000-0000-7000-8000-${String(index).padStart(12, "0")}`,
    producerepoch: 1,
    producerseq: seq,
    source: "/medvault/records",
    subject: "patient/1",
    time: new Date(1_767_225_600_000 + index).toISOString(),
    type,
  };
  const [salt, bytes] = [randomBytes(32), Buffer.from(JSON.stringify(event))];
  const columns = {
    ...{ id: event.id, occurredAt: 1_767_225_600_000 + index, type, producer: "records" },
    ...{ epoch: 1, seq, actorId: null, actorRole: null, patientIds: [], subject: event.subject },
    ...{ action: "patient:read", outcome: "success", purpose: null, ip: null, requestId: null },
  };
  return { leaf: h(salt, bytes), salt: salt.toString("base64"), event: bytes.toString("base64"), columns };
}
export type TestEntry = ReturnType<typeof entry>;

const ORIGIN = "example.test/audit";

/**
 * A log whose database and tiles can be changed each by itself, as someone with all rights could.
 */
export async function givenLog(count: number) {
  const signer = givenSigner(ORIGIN);
  const key = await readKey(nodeEngine, signer.vkey);
  const log = {
    entries: Array.from({ length: count }, (_, at) => entry(at)) as (TestEntry | null)[],
    /** Level 0 as it is kept outside; null: missing. */
    hashes: [] as (Buffer | null)[],
    tiles: new Map<string, Buffer>(),
    note: "",
    signer,
    key,
    checkpoint(hashes: Buffer[] = log.leafHashes()): string {
      const text = `${ORIGIN}\n${hashes.length}\n${plainRoot(hashes).toString("base64")}\n`;
      return `${text}\n${signer.sign(text)}`;
    },
    leafHashes: (): Buffer[] =>
      log.entries.map((one) => (one ? h(Buffer.of(0), one.leaf) : Buffer.alloc(32))),
    /** Tiles outside made again from the entries. */
    buildTiles() {
      log.hashes = log.leafHashes();
      log.tiles.clear();
      let row = log.hashes as Buffer[];
      for (let level = 1; row.length >= 256; level += 1) {
        const above = Array.from({ length: Math.floor(row.length / 256) }, (_, at) =>
          plainRoot(row.slice(at * 256, (at + 1) * 256)),
        );
        for (let at = 0; at < above.length; at += 256) {
          const hashes = above.slice(at, at + 256);
          log.tiles.set(tilePath(level, at / 256, hashes.length), Buffer.concat(hashes));
        }
        row = above;
      }
    },
    publish() {
      log.buildTiles();
      log.note = log.checkpoint();
    },
    source: (): Source => ({
      checkpoint: async () => log.note,
      log: async (from, to) =>
        joinedOf(
          log.entries.slice(from, to).map((one) => one?.leaf ?? null),
          to - from,
        ),
      store: async (from, to) => joinedOf(log.hashes.slice(from, to), to - from),
      tile: async (level, index, width) => log.tiles.get(tilePath(level, index, width)) ?? null,
      bodies: async (from, to) =>
        log.entries.slice(from, to).flatMap((one, at) => (one ? [{ index: from + at, ...one }] : [])),
    }),
  };
  log.publish();
  return log;
}

const joinedOf = (hashes: (Uint8Array | null)[], count: number) =>
  new Uint8Array(Buffer.concat(Array.from({ length: count }, (_, at) => hashes[at] ?? new Uint8Array(32))));

/** What a run leaves for the next one, without a folder. */
export function keeping(before: Kept | null = null) {
  const kept: { from: number; hashes: Uint8Array }[] = [];
  return {
    keep: async (from: number, hashes: Uint8Array) => void kept.push({ from, hashes: hashes.slice() }),
    after({ next }: Report): Kept {
      if (next === null) throw new Error("something was found");
      const all = Buffer.alloc(next.edge.size * 32);
      for (const { from, hashes } of kept) all.set(hashes, from * 32);
      return {
        checkpoints: [...(before?.checkpoints ?? []), next.checkpoint],
        edge: next.edge,
        arrivals: next.arrivals,
        mirror: async (from, to) => new Uint8Array(all.subarray(from * 32, to * 32)),
      };
    },
  };
}
