import { setTimeout as delay } from "node:timers/promises";
import { createTestDatabase, drainedEvents, type TestDatabase } from "@medvault/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type GivenLog, givenLog } from "../services/audit/test/log-harness.ts";
import {
  ASPIRIN,
  givenPatient,
  givenPrescription,
  type Records,
  startRecords,
} from "../services/records/test/harness.ts";
import { type KeysPlace, makeKeysPlace, runTool } from "./test/harness.ts";

// Each command is a process of its own, which on a busy machine takes seconds to begin.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

let database: TestDatabase;
let place: KeysPlace;
let records: Records;
let log: GivenLog;
let relay: { end(): Promise<void> };
beforeAll(async () => {
  database = await createTestDatabase(["records", "audit"]);
  place = await makeKeysPlace(database, ["records", "audit"]);
  records = await startRecords({ database, keyring: await place.keyringOf("records") });
  log = await givenLog(database, await place.keyringOf("audit"));
  relay = await startRelay();
});
afterAll(async () => {
  await relay?.end();
  await log?.end();
  await records?.close();
  await database?.drop();
  await place?.remove();
});

/** What is in the outbox of records goes into the log, without a broker. */
async function startRelay() {
  const writer = await log.writing();
  let isEnding = false;
  const running = (async () => {
    while (!isEnding) {
      const events = await drainedEvents(records.pool);
      if (events.length > 0) await log.append(writer, events);
      await delay(20);
    }
  })();
  return {
    async end() {
      isEnding = true;
      await running;
    },
  };
}

const verify = (...args: string[]) => runTool("records-verify", args, place.env);

test("the command compares all rows with the whole log, and says what it found and what it could not", async () => {
  const doctor = records.someone("doctor");
  const patientId = await givenPatient(doctor);
  const drug = await givenPrescription(doctor, patientId);
  const clean = await verify();
  expect(clean).toMatchObject({ code: 0, err: "" });
  expect(clean.out).toMatch(/^2 rows are what the \d+ entries of the audit log say\.\n$/);

  await records.superuser("create table records.kept as select * from records.prescriptions");
  await doctor.put(`/v1/prescriptions/${drug}`, { ...ASPIRIN, patientId, dosage: "Two tablets" });
  await records.superuser(
    "begin; delete from records.prescriptions; insert into records.prescriptions select * from records.kept; commit",
  );
  const wrong = await verify();
  expect(wrong.code).toBe(1);
  expect(wrong.out).toContain(
    `prescription/${drug} was rolled back: the log says revision 2, there is revision 1\n`,
  );
  expect(wrong.out).toContain("1 of 3 rows are not what the audit log says");
  const again = await verify("--json");
  expect(again.code).toBe(1);
  expect(JSON.parse(again.out)).toMatchObject({
    ...{ command: "records:verify", ok: false, isFull: true, disagreeing: 1, adopted: 0 },
    findings: [{ kind: "prescription", id: drug, what: "rolled_back", expectedRev: 2, foundRev: 1 }],
  });
});

test("its help says what it does, and what it does not know is wrong usage", async () => {
  expect(await verify("--help")).toMatchObject({
    code: 0,
    out: expect.stringContaining("records.row.disagrees"),
  });
  expect(await verify("--full")).toMatchObject({ code: 2 });
});
