import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { inTransaction } from "@medvault/postgres";
import { expect, test } from "vitest";
import { givenDatabase, givenFolder, startTraffic, storeMany } from "../../test/harness.ts";
import { createKeyring } from "../keyring/keyring.ts";
import { generateKeyFile } from "../operations/generate.ts";
import { runFinalRotation } from "./final-rotation.jobs.ts";
import { shred } from "./shred.ts";

const pool = (await givenDatabase("records")).pool("records");
const keysFile = join(await givenFolder(), "records.json");
await generateKeyFile(keysFile, "records");

test("a shred among 10,000 subjects becomes final while 50 requests a second read and write at two replicas, and none fails", async () => {
  const open = () => createKeyring({ service: "records", keysFile });
  const [erased = "", ...subjects] = Array.from({ length: 10_000 }, () => randomUUID() as string);
  const [, ...rows] = await storeMany(pool, await open(), [erased, ...subjects]);
  const replicas = [await open(), await open()] as const;
  const traffic = startTraffic(pool, replicas, rows);
  const logger = { info: () => undefined, warn: () => undefined };
  const stopping = new AbortController();
  const rotations = replicas.map(async (keyring, replica) => {
    for (; !stopping.signal.aborted; await delay(100)) {
      await runFinalRotation({
        pool,
        keyring,
        keysFile,
        owner: `replica ${replica}`,
        afterHours: 0,
        graceMs: 1_000,
        audit: () => async () => undefined,
        countOutside: async () => 0,
        logger,
      });
    }
  });
  try {
    await inTransaction(pool, (tx) => shred(tx, erased));
    const isFinal = async () =>
      (await pool.query("select from shreds where final_at is not null")).rowCount === 1;
    await expect.poll(isFinal, { timeout: 60_000 }).toBe(true);
    const before = traffic.answered();
    await expect.poll(traffic.answered, { timeout: 10_000 }).toBeGreaterThan(before + 50);
  } finally {
    stopping.abort();
    await Promise.all(rotations);
    await traffic.stop();
  }
  expect(traffic.failures).toEqual([]);
  expect(traffic.answered()).toBeGreaterThan(100);
  const versions = (await open()).provider.versions();
  expect(versions.map(({ state }) => state)).toEqual(["destroyed", "active"]);
  const { rows: left } = await pool.query<{ version: Buffer }>(
    "select distinct substring(wrapped from 3 for 4) as version from subject_keys",
  );
  expect(left.map(({ version }) => version.readUInt32BE(0))).toEqual([2]);
}, 120_000);
