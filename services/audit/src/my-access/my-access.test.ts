import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { AccessVisit, AuditProof, CloudEvent } from "@medvault/contracts";
import { drainedEvents, startPeople, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event } from "../../test/log-harness.ts";

const id = (n: number) => `0197a000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;
const [CHART, MERGED, OTHERS] = [id(10), id(11), id(12)];
const [ANNA, BRUNO, ADMIN] = [id(21), id(22), id(23)];
const START = Date.UTC(2026, 0, 1, 8);
const MINUTE = 60_000;

/** Stands in for records, which says whose charts are whose. The real one is in e2e. */
const records = { charts: [CHART, MERGED], status: 200, asked: [] as (string | undefined)[] };
let server: Server;
let people: Awaited<ReturnType<typeof startPeople>>;
let audit: TestAudit;
let patient: TestClient;
let sent: CloudEvent[];

const act = (n: number, minute: number, data: Partial<CloudEvent["data"]> = {}, verb = "prescription.read") =>
  event(n, {
    time: new Date(START + minute * MINUTE).toISOString(),
    type: `medvault.records.${verb}.v1`,
    data: { actor: { id: ANNA, role: "doctor", sessionId: null }, patientIds: [CHART], ...data },
  });
const by = (who: string, role: string, reason: string): Partial<CloudEvent["data"]> => ({
  actor: { id: who, role, sessionId: null },
  decision: { allowed: true, reason },
});

beforeAll(async () => {
  server = createServer((req, res) => {
    records.asked.push(req.url);
    res.writeHead(records.status, { "content-type": "application/json" });
    res.end(JSON.stringify({ patientIds: records.charts, ids: [] }));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  people = await startPeople();
  people.names.set(ANNA, "Anna Weber").set(BRUNO, "Bruno Ruiz");
  audit = await startAudit({
    authUrl: people.url,
    recordsUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
  patient = audit.as("patient");
  const glass = { ...by(BRUNO, "doctor", "break_glass"), purpose: "ETREAT" };
  sent = [
    act(1, 0),
    act(2, 20, {}, "record.listed"),
    act(3, 25, glass, "patient.read"),
    act(4, 45, { patientIds: [MERGED] }),
    act(5, 75),
    act(
      6,
      200,
      { ...by(ADMIN, "admin", "role"), purpose: null, patientIds: [CHART, OTHERS] },
      "patient.listed",
    ),
    act(7, 300, { patientIds: [OTHERS] }),
    act(
      8,
      400,
      {
        ...by(BRUNO, "doctor", "not_found"),
        decision: { allowed: false, reason: "not_found" },
        outcome: "denied",
      },
      "prescription.denied",
    ),
    act(9, 500, by(patient.actor.id, "patient", "own"), "patient.read"),
    act(10, 600, { actor: null, purpose: null }, "prescription.end-announced"),
  ];
  await audit.send(...sent);
  await audit.logged(10);
}, 60_000);
afterAll(async () => {
  await audit?.end();
  people?.close();
  server?.closeAllConnections();
  server?.close();
});

interface Page {
  items: AccessVisit[];
  nextCursor: string | null;
}
const read = async (query = "", who = patient) => {
  const { status, body } = await who.get<Page>(`/v1/audit/my-access${query}`);
  expect(status, JSON.stringify(body)).toBe(200);
  return body;
};
const idOf = (n: number) => sent[n - 1]?.id ?? "";

test("a patient sees who touched their charts, by name and visit, newest first, in words", async () => {
  const { items, nextCursor } = await read("?to=2026-02-01T00:00:00Z");
  expect(nextCursor).toBeNull();
  expect(items.map(({ events }) => events.map((one) => one.id))).toEqual(
    [[10], [9], [8], [6], [5], [4, 2, 1], [3]].map((visit) => visit.map(idOf)),
  );
  const [system, own, refused, admin, , anna, bruno] = items;
  expect(system).toMatchObject({
    actorId: null,
    actor: null,
    isYou: false,
    offCareTeam: false,
    reachedBy: [],
  });
  expect(own).toMatchObject({ isYou: true, offCareTeam: false, role: "patient" });
  expect(refused).toMatchObject({ refused: 1, offCareTeam: true, breakGlass: false });
  expect(admin).toMatchObject({ role: "admin", offCareTeam: true, purposes: [], refused: 0 });
  expect(admin?.events[0]?.words).toBe("looked at you in a list of patients");
  expect(anna).toMatchObject({
    actor: { id: ANNA, name: "Anna Weber" },
    role: "doctor",
    firstAt: "2026-01-01T08:00:00.000Z",
    lastAt: "2026-01-01T08:45:00.000Z",
    purposes: [{ code: "TREAT", words: "treatment" }],
    reachedBy: [{ code: "assigned", words: "on your care team" }],
    ...{ offCareTeam: false, breakGlass: false, count: 3 },
  });
  expect(anna?.kinds.map(({ words, count }) => [words, count])).toEqual([
    ["looked at a prescription", 2],
    ["looked at entries of your record", 1],
  ]);
  expect(bruno).toMatchObject({
    actor: { name: "Bruno Ruiz" },
    purposes: [{ code: "ETREAT", words: "treatment in an emergency" }],
    ...{ offCareTeam: true, breakGlass: true, count: 1 },
  });
});

test("no other patient is named, and nothing of where staff sat", async () => {
  const text = JSON.stringify(await read());
  for (const told of [OTHERS, idOf(7), "192.0.2.7", "vitest", "requestId", "sessionId"])
    expect(text).not.toContain(told);
});

test("pages of visits hold every act once, and filters narrow by person and time", async () => {
  const seen: string[] = [];
  let cursor = "";
  do {
    const page = await read(`?limit=2&to=2026-02-01T00:00:00Z${cursor && `&cursor=${cursor}`}`);
    expect(page.items.length).toBeLessThanOrEqual(2);
    seen.push(...page.items.flatMap(({ events }) => events.map((one) => one.id)));
    cursor = page.nextCursor ?? "";
  } while (cursor);
  expect(seen.toSorted()).toEqual([1, 2, 3, 4, 5, 6, 8, 9, 10].map(idOf).toSorted());
  const counts = async (query: string) => (await read(query)).items.map(({ count }) => count);
  expect(await counts(`?actorId=${ANNA}`)).toEqual([1, 3]);
  expect(await counts("?from=2026-01-01T08:20:00Z&to=2026-01-01T08:45:00Z")).toEqual([1, 1]);
  expect((await patient.get("/v1/audit/my-access?cursor=x")).status).toBe(400);
});

test("reading it is one event of the log, about the caller's charts, without the values of filters", async () => {
  await drainedEvents(audit.pool);
  await read(`?actorId=${ANNA}`);
  expect((await drainedEvents(audit.pool)).map(({ type, data }) => ({ type, data }))).toMatchObject([
    {
      type: "medvault.audit.log.queried.v1",
      data: { patientIds: [CHART, MERGED], fields: ["actorId"], details: { returned: 4 } },
    },
  ]);
});

test("threat: it is for patients alone, of their own charts, and not without records", async () => {
  for (const role of ["doctor", "auditor", "admin"] as const)
    expect((await audit.as(role).get("/v1/audit/my-access")).status, role).toBe(403);
  expect((await audit.as("guest").get("/v1/audit/my-access")).status).toBe(401);
  expect(new Set(records.asked)).toEqual(new Set(["/internal/known-people"]));
  for (const [status, expected] of [
    [503, 503],
    [500, 503],
  ] as const) {
    records.status = status;
    expect((await patient.get("/v1/audit/my-access")).status).toBe(expected);
    expect((await patient.get(`/v1/audit/events/${idOf(1)}/proof`)).status).toBe(expected);
  }
  records.status = 403;
  expect((await read()).items).toEqual([]);
  expect((await patient.get(`/v1/audit/events/${idOf(1)}/proof`)).status).toBe(404);
  records.status = 200;
});

test("each act about the patient alone has a proof for them, and one that names others says why not", async () => {
  const proof = (n: number, who = patient) =>
    who.get<AuditProof & { code: string }>(`/v1/audit/events/${idOf(n)}/proof`);
  const marked = (await read("?to=2026-02-01T00:00:00Z")).items.flatMap(({ events }) => events);
  for (const { id: of, hasProof } of marked)
    expect((await patient.get(`/v1/audit/events/${of}/proof`)).status, of).toBe(hasProof ? 200 : 403);
  const { body } = await proof(4);
  expect(JSON.parse(Buffer.from(body.canonicalEvent, "base64").toString())).toMatchObject({ id: idOf(4) });
  const named = await proof(6);
  expect(named.body.code).toBe("proof_names_others");
  expect(JSON.stringify(named.body)).not.toContain(OTHERS);
  expect((await proof(7)).status).toBe(404);
  expect((await proof(4, audit.as("doctor"))).status).toBe(403);
  expect((await patient.get(`/v1/audit/events/${idOf(4)}`)).status).toBe(403);
  expect((await proof(6, audit.as("auditor"))).status).toBe(200);
});
