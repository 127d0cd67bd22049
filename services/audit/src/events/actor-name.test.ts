import { type AuditEventPage, newId } from "@medvault/contracts";
import { startPeople } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { z } from "zod";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event } from "../../test/log-harness.ts";

type EventPage = z.infer<typeof AuditEventPage>;

const ANNA = "0197a000-0000-7000-8000-00000000000d";
const GONE = "0197a000-0000-7000-8000-00000000000e";
let audit: TestAudit;
let people: Awaited<ReturnType<typeof startPeople>>;
beforeAll(async () => {
  people = await startPeople();
  people.names.set(ANNA, "=Anna Weber");
  audit = await startAudit({ authUrl: people.url });
  const by = (n: number, id: string) =>
    event(n, { data: { actor: { id, role: "doctor", sessionId: null } } });
  await audit.send(by(1, ANNA), by(2, GONE), event(3, { data: { actor: null } }));
  await audit.logged(3);
}, 30_000);
afterAll(async () => {
  await audit.end();
  people.close();
});

test("an auditor sees how the actor of an event is called now; one whom nobody knows any more is null", async () => {
  const auditor = audit.as("auditor");
  const { body } = await auditor.get<EventPage>("/v1/audit/events");
  expect(body.items.map(({ actor }) => actor && [actor.id, actor.name])).toEqual([
    null,
    [GONE, null],
    [ANNA, "=Anna Weber"],
  ]);
  const one = await auditor.get(`/v1/audit/events/${body.items[2]?.id}`);
  expect(one.body).toMatchObject({ actor: { id: ANNA, name: "=Anna Weber", role: "doctor" } });
});

test("an export names actors too; a name cannot become a formula", async () => {
  const auditor = audit.as("auditor");
  const exported = await auditor.get(`/v1/audit/export?proof=0&actorId=${ANNA}`);
  const lines = exported.bytes.toString().trim().split("\n");
  expect(lines.map((line) => JSON.parse(line).actor.name)).toEqual(["=Anna Weber"]);
  const csv = (await auditor.get(`/v1/audit/export?format=csv&actorId=${ANNA}`)).bytes.toString();
  expect(csv).toMatch(/^index,id,time,type,producer,actorId,actorName,actorRole,/);
  expect(csv).toContain(`,${ANNA},'=Anna Weber,doctor,`);
});

test("the log itself holds no name: the proof of an event is over what was said", async () => {
  const auditor = audit.as("auditor");
  const { body } = await auditor.get<EventPage>(`/v1/audit/events?actorId=${ANNA}`);
  const proof = await auditor.get<{ canonicalEvent: string }>(`/v1/audit/events/${body.items[0]?.id}/proof`);
  expect(proof.status).toBe(200);
  expect(Buffer.from(proof.body.canonicalEvent, "base64").toString()).not.toContain("Weber");
});

test("auth is told who acted on a patient's charts, of nobody else's; guests and doctors learn nothing", async () => {
  const [chart, other] = [newId(), newId()];
  const of = (n: number, id: string, patientId: string) =>
    event(n, { data: { actor: { id, role: "doctor", sessionId: null }, patientIds: [patientId] } });
  await audit.send(of(4, ANNA, chart), of(5, ANNA, chart), of(6, GONE, other));
  await audit.logged(6);
  const ask = (role: "patient" | "doctor" | "guest") =>
    audit.as(role).post("/internal/actors", { patientIds: [chart] });
  expect(await ask("patient")).toMatchObject({ status: 200, body: { ids: [ANNA] } });
  expect([(await ask("doctor")).status, (await ask("guest")).status]).toEqual([403, 401]);
});
