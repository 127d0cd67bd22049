import { type DelegatedActor, newId, type Role } from "@medvault/contracts";
import { drainedEvents, startPeople } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event } from "../../test/log-harness.ts";

const CHART = "0197a000-0000-7000-8000-00000000000a";
const OTHERS = "0197a000-0000-7000-8000-00000000000b";
const ANNA = "0197a000-0000-7000-8000-00000000000d";
let audit: TestAudit;
let people: Awaited<ReturnType<typeof startPeople>>;
beforeAll(async () => {
  people = await startPeople();
  people.names.set(ANNA, "=Anna Weber");
  audit = await startAudit({ authUrl: people.url });
  const read = (n: number, ...patientIds: string[]) =>
    event(n, {
      data: { actor: { id: ANNA, role: "doctor", sessionId: null }, patientIds, purpose: "TREAT" },
    });
  await audit.send(read(1, CHART), read(2, OTHERS), read(3, CHART, OTHERS));
  await audit.logged(3);
}, 30_000);
afterAll(async () => {
  await audit.end();
  people.close();
});

/** Reads the log of a chart as a job in the name of who asked for the export of `CHART`. */
async function asked(role: Role, permissions: string[], of = CHART) {
  const token = `delegation.${newId().replaceAll("-", "").padEnd(64, "0")}`;
  const delegate: DelegatedActor = {
    id: newId(),
    role,
    sessionId: newId(),
    permissions,
    patientIds: [CHART],
  };
  people.delegates.set(token, delegate);
  const headers = { "x-medvault-assertion": token };
  return await audit.as(role).get(`/internal/patients/${of}/events`, { headers });
}

test("a patient takes away who used their chart, by name, and nothing of where staff sat", async () => {
  const { status, bytes, headers } = await asked("patient", ["fhir:export:own", "audit:read:own"]);
  expect(status).toBe(200);
  expect(headers.get("content-type")).toBe("text/csv; charset=utf-8");
  const [first, ...rest] = bytes.toString().trim().split("\r\n");
  expect(first).toBe("time,actorName,actorRole,action,outcome,purpose,reason,type,index");
  expect(rest).toHaveLength(2);
  for (const line of rest) expect(line).toMatch(/^[^,]+,'=Anna Weber,doctor,[^,]+,success,TREAT,/);
  const exported = (await drainedEvents(audit.pool)).findLast(
    ({ type }) => type === "medvault.audit.log.exported.v1",
  );
  expect(exported?.data).toMatchObject({ patientIds: [CHART], fields: ["patientId"] });
});

test("of another chart, or without a right to the log, there is nothing", async () => {
  const own = ["fhir:export:own", "audit:read:own"];
  expect((await asked("patient", own, OTHERS)).status).toBe(403);
  expect((await asked("patient", ["fhir:export:own"])).status).toBe(403);
  expect((await asked("doctor", ["fhir:export:assigned", "audit:read:own"])).status).toBe(403);
  expect((await asked("admin", ["fhir:export:any", "audit:read:any"])).status).toBe(200);
});

test("threat: without a delegation for the chart nobody reads its log there", async () => {
  for (const role of ["patient", "admin", "auditor"] as const)
    expect((await audit.as(role).get(`/internal/patients/${CHART}/events`)).status, role).toBe(403);
});
