import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FhirImportView } from "@medvault/contracts";
import { createKeyring, KeyVersionDestroyed } from "@medvault/keys";
import {
  generateKeyFile,
  type KeyPlace,
  retireVersion,
  rewrap,
  rotateServiceKey,
} from "@medvault/keys/operations";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Records, startRecords } from "../../test/harness.ts";

const BUNDLE = new URL("../../../../e2e/fixtures/fhir/marisela-okonkwo-reyes.json", import.meta.url);
const bundle = JSON.parse(readFileSync(BUNDLE, "utf8")) as unknown;
const silent = async () => undefined;
let folder: string;
let service: Records;
let place: KeyPlace;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "medvault-import-"));
  const keysFile = join(folder, "records.json");
  await generateKeyFile(keysFile, "records");
  service = await startRecords({ keyring: await createKeyring({ service: "records", keysFile }) });
  place = { service: "records", keysFile, pool: service.context.pool };
});
afterEach(async () => {
  vi.restoreAllMocks();
  await service.close();
  await rm(folder, { recursive: true });
});

const load = () => service.someone("doctor").post<FhirImportView>("/v1/fhir", bundle);

async function waitersFor(table: string): Promise<number> {
  const { rowCount } = await service.context.pool.query(
    "select from pg_locks where not granted and relation = $1::regclass",
    [table],
  );
  return rowCount ?? 0;
}

test("an import that was prepared before its version was closed, and comes to store after it, is prepared again and goes through", async () => {
  const { pool, keyring } = service.context;
  const writer = await pool.connect();
  await writer.query("begin");
  await writer.query("lock table subject_keys in share row exclusive mode");
  const answer = load();
  await expect.poll(() => waitersFor("subject_keys"), { timeout: 10_000 }).toBeGreaterThan(0);
  await rotateServiceKey(place, silent);
  await writer.query("insert into service_key_versions (version, state) values (1, 'retired')");
  await writer.query("commit");
  writer.release();
  expect(await answer).toMatchObject({ status: 200, body: { patient: "created", stored: { records: 13 } } });
  const { rows } = await pool.query<{ wrapped: Buffer }>("select wrapped from subject_keys");
  expect(rows.map(({ wrapped }) => wrapped.readUInt32BE(2))).toEqual([2]);
  await rewrap(pool, keyring, { pausePerWork: 0 });
  await retireVersion(place, 1, silent);
  const events = await service.events();
  expect(events.filter(({ type }) => type === "medvault.records.fhir.imported.v1")).toHaveLength(1);
});

test("an import whose key's version was destroyed while it was sealing is prepared again with the key as it is now", async () => {
  const sealing = vi.spyOn(service.context.keyring, "subjectKey");
  sealing.mockImplementationOnce(() => {
    throw new KeyVersionDestroyed();
  });
  expect(await load()).toMatchObject({ status: 200, body: { patient: "created" } });
});
