import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { AuditFilter } from "@medvault/contracts";
import { createTestDatabase } from "@medvault/testing";
import pg from "pg";
import { newestRows } from "../../services/audit/src/events/event.store.ts";
import { createOutsideDirectory, tilesAt } from "../../services/audit/src/outside/outside.store.ts";
import { EMPTY_EDGE, extend, partialTiles, rootOf } from "../../services/audit/src/tree/edge.ts";
import { HASH_BYTES } from "../../services/audit/src/tree/hash.ts";
import { inclusionProof } from "../../services/audit/src/tree/proof.ts";
import { rootFromInclusion } from "../../services/audit/src/tree/proof-check.ts";
import { encodeTile, tilePath } from "../../services/audit/src/tree/tile.ts";
import {
  actorNumbered,
  BUSY,
  givenManyEntries,
  patientNumbered,
} from "../../services/audit/test/many-entries.ts";
import { givenPartitions } from "../../services/audit/test/partitions.ts";
import { type Finding, median } from "../rounds.ts";
import { withServers } from "../servers.ts";

/** Seven years by quarters. */
const PARTITIONS = 28;
const TIMES = 40;
const MAX_PAGE_MS = 50;
const MAX_PROOF_MS = 20;
const STEP = 65_536;

const FILTERS: Readonly<Record<string, AuditFilter>> = {
  none: {},
  "a busy actor": { actorId: BUSY.actorId },
  "an actor": { actorId: actorNumbered(7) },
  "a busy patient": { patientId: BUSY.patientId },
  "a patient": { patientId: patientNumbered(6) },
  "an unknown patient": { patientId: patientNumbered(99_999) },
  subject: { subject: "patient/7" },
  "a rare type": { type: "medvault.records.claim.paid.v1" },
  action: { action: "read" },
  outcome: { outcome: "denied" },
  address: { ip: "192.0.2.9" },
  "request id": { requestId: "request-77" },
  "a time": { from: "2026-01-01T12:00:00Z", to: "2026-01-01T13:00:00Z" },
  "actor and outcome": { actorId: actorNumbered(7), outcome: "denied" },
};

/** First pages of a log of `rows` entries in Postgres, and proofs in a tree of as many leaves. */
export const longLog = async (rows: number): Promise<Finding[]> => [
  ...(await withServers(() => firstPages(rows))),
  await proofs(rows),
];

async function firstPages(rows: number): Promise<Finding[]> {
  const database = await createTestDatabase(["audit"]);
  const client = new pg.Client({ connectionString: database.superuserUrl });
  try {
    await client.connect();
    await client.query("set search_path to audit, audit_sys");
    await givenPartitions(client, Math.ceil(rows / PARTITIONS / STEP) * STEP, PARTITIONS);
    await givenManyEntries(client, rows);
    const pool = database.pool("audit");
    const findings: Finding[] = [];
    for (const [name, filter] of Object.entries(FILTERS)) {
      const times = await timesOf(() => newestRows(pool, filter, undefined, 51));
      findings.push({
        ...{ name: `audit, first page of ${rows.toLocaleString("en")}, by ${name}`, unit: "ms" },
        ...{ measured: median(times), atMost: MAX_PAGE_MS },
      });
    }
    return findings;
  } finally {
    await client.end();
    await database.drop();
  }
}

async function proofs(size: number): Promise<Finding> {
  const dir = await mkdtemp(join(tmpdir(), "medvault-bench-tiles-"));
  try {
    let edge = EMPTY_EDGE;
    const known = new Map<number, Buffer>();
    while (edge.size < size) {
      const bytes = randomBytes(HASH_BYTES * Math.min(STEP, size - edge.size));
      const hashes = Array.from({ length: bytes.length / HASH_BYTES }, (_, at) =>
        bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES),
      );
      known.set(edge.size, hashes[0] ?? bytes);
      const grown = extend(edge, hashes);
      for (const tile of grown.full) await putTile(dir, tile);
      edge = grown.edge;
    }
    for (const tile of partialTiles(edge)) await putTile(dir, tile);
    const [root, readTile] = [rootOf(edge), tilesAt(createOutsideDirectory(dir), size)];
    const leaves = [...known];
    let next = 0;
    const times = await timesOf(async () => {
      const [index, hash] = leaves[next++ % leaves.length] ?? [0, root];
      const path = await inclusionProof(readTile, index, size);
      if (!rootFromInclusion(hash, index, size, path)?.equals(root)) throw new Error("no proof");
    });
    return {
      ...{ name: `audit, inclusion proof in ${size.toLocaleString("en")} leaves`, unit: "ms" },
      ...{ measured: median(times), atMost: MAX_PROOF_MS },
    };
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function putTile(
  dir: string,
  { level, index, hashes }: { level: number; index: number; hashes: readonly Buffer[] },
): Promise<void> {
  const file = join(dir, "tile", tilePath({ level, index, width: hashes.length }));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, encodeTile(hashes));
}

async function timesOf(work: () => Promise<unknown>): Promise<number[]> {
  const times: number[] = [];
  for (let n = 0; n < TIMES; n += 1) {
    const from = performance.now();
    await work();
    times.push(performance.now() - from);
  }
  return times;
}
