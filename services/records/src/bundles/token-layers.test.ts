import { readFileSync } from "node:fs";
import type { FhirImportView } from "@medvault/contracts";
import { layeredToken } from "@medvault/crypto";
import { addTokenLayer, type LayerOptions } from "@medvault/keys/operations";
import type { TestClient } from "@medvault/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Records, startRecords } from "../../test/harness.ts";
import { openIndexes } from "../context.ts";
import { tokenTables } from "../tables.ts";

type Bundle = { entry: { fullUrl?: string; resource: Record<string, unknown> }[] };
const FIXTURE = new URL("../../../../e2e/fixtures/fhir/marisela-okonkwo-reyes.json", import.meta.url);
/** Bundles of different people: each has names of its own. */
const bundleOf = (n: number): Bundle =>
  JSON.parse(
    readFileSync(FIXTURE, "utf8")
      .replaceAll("urn:uuid:", `http://clinic-${n}.example/`)
      .replace(/"value": "([^"]+)"/g, `"value": "$1-${n}"`),
  );

let service: Records;
let doctor: TestClient;
beforeEach(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
});
afterEach(() => service.close());

const load = async (n: number) => {
  const { status, body } = await doctor.post<FhirImportView>("/v1/fhir", bundleOf(n));
  expect(status).toBe(200);
  return body;
};
async function addLayers(options: Partial<LayerOptions> = {}): Promise<number[]> {
  const { pool, keyring } = service.context;
  const raised: number[] = [];
  for (const table of tokenTables) {
    const all = { pausePerWork: 0, batchTokens: 3, onStep: async () => undefined, ...options };
    raised.push(await addTokenLayer(pool, keyring, table, all));
  }
  return raised;
}
async function tokens(): Promise<{ token: Buffer; layer: number }[]> {
  const { rows } = await service.context.pool.query<{ token: Buffer; layer: number }>(
    "select token, layer from patient_identifiers union all select token, layer from fhir_sources order by 1",
  );
  return rows;
}
const expectKnown = async (n: number, patientId: string | null) =>
  expect(await load(n)).toMatchObject({
    patient: "matched",
    patientId,
    existing: 20,
    stored: { records: 0 },
  });

test("what was imported is known again under one more key, in processes of before and after, and the old key finds nothing", async () => {
  const { patientId } = await load(1);
  const before = await tokens();
  expect(before.length).toBeGreaterThan(20);
  expect((await addLayers()).reduce((sum, n) => sum + n, 0)).toBe(before.length);
  const after = await tokens();
  expect(after.map(({ layer }) => layer)).toEqual(before.map(() => 2));
  const old = new Set(before.map(({ token }) => token.toString("hex")));
  expect(after.filter(({ token }) => old.has(token.toString("hex")))).toEqual([]);
  await expectKnown(1, patientId);
  const { pool, keyring } = service.context;
  Object.assign(service.context, { indexes: await openIndexes(pool, keyring) });
  await expectKnown(1, patientId);
  await addLayers();
  await expectKnown(1, patientId);
  expect((await tokens()).every(({ layer }) => layer === 3)).toBe(true);
  expect(await load(2)).toMatchObject({ patient: "created" });
});

test("imports go on while a key is laid over, and nothing is stored twice", async () => {
  const ids = [(await load(0)).patientId];
  let isOver = false;
  const importing = (async () => {
    for (let n = 1; !isOver || n < 4; n += 1) {
      ids[n] = (await load(n)).patientId;
      await expectKnown(n, ids[n] ?? null);
      await expectKnown(0, ids[0] ?? null);
    }
  })();
  await addLayers({ pausePerWork: 3, batchTokens: 2 });
  isOver = true;
  await importing;
  for (const [n, id] of ids.entries()) await expectKnown(n, id);
  const { rows } = await service.context.pool.query("select count(*)::int as count from patients");
  expect(rows).toEqual([{ count: ids.length }]);
  expect((await tokens()).every(({ layer }) => layer === 2)).toBe(true);
}, 60_000);

test("what was stopped goes on without one more key, and tokens of an old backup are still known", async () => {
  const { patientId } = await load(1);
  const backup = await tokens();
  const stop = new AbortController();
  const stopped = addLayers({
    signal: stop.signal,
    batchTokens: 1,
    onProgress: () => stop.abort(new Error("stopped")),
  });
  await expect(stopped).rejects.toThrow("stopped");
  expect(new Set((await tokens()).map(({ layer }) => layer))).toEqual(new Set([1, 2]));
  await expectKnown(1, patientId);
  await addLayers();
  await expectKnown(1, patientId);
  expect(Math.max(...(await tokens()).map(({ layer }) => layer))).toBe(2);
  await service.superuser("delete from records.fhir_sources; delete from records.patient_identifiers");
  for (const { token, layer } of backup) {
    // Which table it was of does not matter: a token of the other one is met by nothing.
    for (const [table, owner] of [
      ["patient_identifiers", "patient_id"],
      ["fhir_sources", "subject_id"],
    ]) {
      await service.superuser(
        `insert into records.${table} (${owner}, token, layer) values ('${patientId}', '\\x${token.toString("hex")}', ${layer})`,
      );
    }
  }
  await expectKnown(1, patientId);
});

test("a layer is of its key and of what lies below alone", () => {
  const [key, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const below = Buffer.alloc(16, 3);
  expect(layeredToken(key, below)).toHaveLength(16);
  expect(layeredToken(key, below)).toEqual(layeredToken(key, below));
  expect(layeredToken(other, below)).not.toEqual(layeredToken(key, below));
  expect(layeredToken(key, Buffer.alloc(16, 4))).not.toEqual(layeredToken(key, below));
});
