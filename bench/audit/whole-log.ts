import { hash, randomBytes } from "node:crypto";
import { type Engine, verifyLog, webEngine } from "@medvault/log-verifier";
import { nodeEngine } from "@medvault/log-verifier/node";
import { givenSigner, plainRoot } from "../../libs/log-verifier/test/given-log.ts";
import { cpuMicros, type Finding, growth } from "../rounds.ts";

const TILE = 256;
const MIB = 1_048_576;
/** WebCrypto makes a promise of each hash: a tenth of the entries says as much. */
const WEB_SHARE = 10;

/**
 * The verifier over a log of `entries`: leaves, level 0, tiles above and the signature, from
 * memory, so that what is measured is its own work. In processor time.
 */
export async function wholeLog(entries: number): Promise<Finding[]> {
  const log = await givenLog(entries);
  const findings: Finding[] = [];
  const { result: micros, grownBytes } = await growth(
    () => process.memoryUsage.rss(),
    () => verified(nodeEngine, log, entries),
  );
  const millions = entries / 1_000_000;
  const words = "leaves, tiles, signature, per 1,000,000 entries";
  findings.push({
    name: `audit-verify, Node, ${words}`,
    measured: micros / 1e3 / millions,
    unit: "ms",
    atMost: 60_000,
  });
  findings.push({
    name: "audit-verify, how the process grows",
    measured: grownBytes / MIB,
    unit: "MiB",
    atMost: 128,
  });
  const few = await givenLog(Math.ceil(entries / WEB_SHARE));
  const web = (await verified(webEngine, few, few.size)) * (entries / few.size);
  findings.push({
    name: `audit-verify, WebCrypto, ${words}`,
    measured: web / 1e3 / millions,
    unit: "ms",
    atMost: 60_000,
  });
  return findings;
}

async function verified(engine: Engine, log: Awaited<ReturnType<typeof givenLog>>, size: number) {
  return await cpuMicros(async () => {
    const report = await verifyLog(engine, log.source, { key: log.key });
    if (!report.ok || report.size !== size) throw new Error("the log that was made is not valid");
  });
}

async function givenLog(size: number) {
  const signer = givenSigner("example.test/audit");
  const leaves = randomBytes(size * 32);
  const rows = [leafRow(leaves)];
  for (let row = rows[0]; row && row.length >= TILE * 32; row = rows.at(-1)) rows.push(above(row));
  const root = rootOf(rows);
  const text = `example.test/audit\n${size}\n${root.toString("base64")}\n`;
  const of = (bytes: Buffer | undefined, from: number, to: number) =>
    new Uint8Array(bytes?.subarray(from * 32, to * 32) ?? []);
  const key = await (await import("@medvault/log-verifier")).readKey(nodeEngine, signer.vkey);
  const source = {
    checkpoint: async () => `${text}\n${signer.sign(text)}`,
    log: async (from: number, to: number) => of(leaves, from, to),
    store: async (from: number, to: number) => of(rows[0], from, to),
    tile: async (level: number, index: number, width: number) =>
      of(rows[level], index * TILE, index * TILE + width),
  };
  return { size, key, source };
}

const sha256 = (bytes: Uint8Array) => hash("sha256", bytes, "buffer");

function leafRow(leaves: Buffer): Buffer {
  const out = Buffer.alloc(leaves.length);
  for (let at = 0; at < leaves.length; at += 32)
    sha256(Buffer.concat([Buffer.of(0), leaves.subarray(at, at + 32)])).copy(out, at);
  return out;
}

const hashesIn = (row: Buffer) =>
  Array.from({ length: row.length / 32 }, (_, at) => row.subarray(at * 32, (at + 1) * 32));

/** The roots of the full tiles of a row. */
function above(row: Buffer): Buffer {
  const hashes = hashesIn(row);
  const tiles = Math.floor(hashes.length / TILE);
  return Buffer.concat(
    Array.from({ length: tiles }, (_, at) => plainRoot(hashes.slice(at * TILE, (at + 1) * TILE))),
  );
}

/** The root by what no full tile covers, from the lowest level up. */
function rootOf(rows: readonly Buffer[]): Buffer {
  let below: Buffer[] = [];
  for (const row of rows) {
    const rest = hashesIn(row).slice(Math.floor(row.length / 32 / TILE) * TILE);
    if (rest.length + below.length > 0) below = [joinedRoot(rest, below[0])];
  }
  return below[0] ?? plainRoot([]);
}

/** Perfect subtrees from the right; what is below them comes last. */
function joinedRoot(hashes: readonly Buffer[], last: Buffer | undefined): Buffer {
  if (last === undefined) return plainRoot(hashes);
  let root = last;
  for (let end = hashes.length, width = 1; end > 0; width *= 2) {
    if (Math.floor(hashes.length / width) % 2 === 0) continue;
    const left = plainRoot(hashes.slice(end - width, end));
    root = sha256(Buffer.concat([Buffer.of(1), left, root]));
    end -= width;
  }
  return root;
}
