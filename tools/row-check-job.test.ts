import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAudit, type TestAudit } from "../services/audit/test/harness.ts";
import { rowCheckJobs } from "../services/records/src/row-check/row-check.jobs.ts";
import { declaredTables } from "../services/records/src/tables.ts";
import {
  givenPatient,
  givenPrescription,
  type Records,
  startRecords,
} from "../services/records/test/harness.ts";

let audit: TestAudit;
let server: Server;
let records: Records;
let relaying: Promise<void>;
let isEnding = false;
beforeAll(async () => {
  audit = await startAudit();
  server = createServer(audit.app);
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  records = await startRecords({ env: { MEDVAULT_AUDIT_URL: `http://127.0.0.1:${port}` } });
  relaying = relay();
}, 60_000);
afterAll(async () => {
  isEnding = true;
  await relaying;
  await records?.close();
  server?.closeAllConnections();
  server?.close();
  await audit?.end();
});

/** What is in the outbox of records goes to the audit queue. */
async function relay(): Promise<void> {
  while (!isEnding) {
    const events = await drainedEvents(records.pool);
    if (events.length > 0) await audit.send(...events);
    await delay(20);
  }
}

const runJob = async () => {
  const [job] = rowCheckJobs(records.context, declaredTables);
  await job?.run({ signal: new AbortController().signal });
};
const findings = async () =>
  (await records.pool.query("select kind, id, what from row_findings order by what")).rows;
const compared = async () => (await records.pool.query("select compared_at from row_check")).rows;

test("the job asks audit by its ticket, finds nothing while all is right, and what was changed afterwards", async () => {
  const doctor = records.someone("doctor");
  const patientId = await givenPatient(doctor);
  const drug = await givenPrescription(doctor, patientId);
  await runJob();
  expect(await findings()).toEqual([]);
  expect(await compared()).toEqual([{ compared_at: expect.any(Date) }]);
  await records.superuser(`delete from records.prescriptions where id = '${drug}'`);
  await runJob();
  expect(await findings()).toEqual([{ kind: "prescription", id: drug, what: "deleted" }]);
  await expect
    .poll(async () => {
      const { rows } = await audit.superuser.query(
        "select subject, outcome from log where type = 'medvault.records.row.disagrees.v1'",
      );
      return rows;
    })
    .toEqual([{ subject: `prescription/${drug}`, outcome: "failure" }]);
});

test("while audit cannot be asked the check fails, and says nothing of rows", async () => {
  await audit.writer.stop();
  await givenPatient(records.someone("doctor"));
  server.closeAllConnections();
  server.close();
  await expect(runJob()).rejects.toThrow();
  expect(await findings()).toHaveLength(1);
});
