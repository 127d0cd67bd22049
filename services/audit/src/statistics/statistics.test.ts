import type { AuditStats } from "@medvault/contracts";
import { newId } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import { drainedEvents, startPeople } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { event } from "../../test/log-harness.ts";
import { countNext, forgetBefore, recountDay } from "./tally.store.ts";

const DAY = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
const [ANNA, BERT, SNOOP] = [newId(), newId(), newId()];
const CHARTS = Array.from({ length: 40 }, () => newId());
let audit: TestAudit;
let people: Awaited<ReturnType<typeof startPeople>>;

/** `count` reads of as many charts in one hour. */
const reads = (
  first: number,
  actor: string,
  hour: number,
  count: number,
  outcome: "success" | "denied" = "success",
) =>
  Array.from({ length: count }, (_, n) =>
    event(first + n, {
      time: `${DAY}T${String(hour).padStart(2, "0")}:0${n % 10}:00.000Z`,
      data: { actor: { id: actor, role: "doctor", sessionId: null }, patientIds: [CHARTS[n] ?? ""], outcome },
    }),
  );
const some = [
  ...Array.from({ length: 24 }, (_, hour) => reads(1 + 4 * hour, hour % 2 ? ANNA : BERT, hour, 4)).flat(),
  ...reads(97, SNOOP, 3, 40),
  ...reads(137, ANNA, 5, 1, "denied"),
];

beforeAll(async () => {
  people = await startPeople();
  people.names.set(ANNA, "Anna Weber");
  audit = await startAudit({ authUrl: people.url });
  await audit.send(...some.slice(0, 100));
  await audit.send(...some.slice(100));
  await audit.logged(some.length);
}, 30_000);
afterAll(async () => {
  await audit.end();
  people.close();
});

/** As the jobs of any process do it, by however many entries at once. */
async function count(most = 7): Promise<void> {
  while ((await countNext(audit.pool, most)) > 0);
}
async function stats(query: string): Promise<AuditStats> {
  const { status, body } = await audit.as("auditor").get<AuditStats>(`/v1/audit/stats?${query}`);
  expect(status, query).toBe(200);
  return body;
}
const ofDay = (by: string) => stats(`by=${by}&from=${DAY}T00:00:00Z&to=${DAY}T12:00:00Z`);

test("entries are counted by type, actor and patient, once each, whoever counts at the same time", async () => {
  await Promise.all([count(), count(11), count(1_000)]);
  const ours = { name: null, success: 136, denied: 1, failure: 0, total: 137 };
  const { groups, from, to } = await ofDay("type");
  expect(groups).toContainEqual({ key: "medvault.records.prescription.read.v1", ...ours });
  expect(new Date(to ?? 0).getTime() - new Date(from ?? 0).getTime()).toBe(86_400_000);
  expect((await ofDay("actor")).groups).toEqual([
    { key: ANNA, name: "Anna Weber", total: 49, success: 48, denied: 1, failure: 0 },
    ...[
      { key: BERT, name: null, total: 48, success: 48, denied: 0, failure: 0 },
      { key: SNOOP, name: null, total: 40, success: 40, denied: 0, failure: 0 },
    ],
  ]);
  const patients = (await ofDay("patient")).groups ?? [];
  expect(patients).toHaveLength(40);
  expect(patients[0]).toMatchObject({ key: CHARTS[0], total: 26, denied: 1 });
});

test("by hour, outcome and alert", async () => {
  const hours = (await ofDay("hour")).groups ?? [];
  expect(hours.find(({ key }) => key === "03")).toMatchObject({ total: 44 });
  expect((await ofDay("outcome")).groups?.map(({ key, total }) => [key, total])).toEqual([
    ["success", 136],
    ["denied", 1],
    ["failure", 0],
  ]);
  expect((await stats("by=alert")).groups).toEqual(expect.any(Array));
});

test("who reaches more patients in an hour than is usual is named", async () => {
  const { reach, groups } = await ofDay("reach");
  expect(reach).toEqual({ hours: 25, p50: 4, p95: 4, p99: 40 });
  expect(groups).toEqual([]);
  for (let hour = 0; hour < 100; hour += 1)
    await audit.superuser.query(
      "insert into reach values (date_trunc('hour', $1::timestamptz, 'UTC'), $2, $3)",
      [`${DAY}T10:00:00Z`, newId(), CHARTS[0]],
    );
  const wider = await ofDay("reach");
  expect(wider.reach).toEqual({ hours: 125, p50: 1, p95: 4, p99: 4 });
  expect(wider.groups).toMatchObject([{ key: SNOOP, total: 40 }]);
});

test("a tally that was edited is found when its day is counted again, and put right", async () => {
  const recount = () => inTransaction(audit.pool, (tx) => recountDay(tx, DAY));
  expect(await recount()).toBe(0);
  const before = await ofDay("actor");
  await audit.superuser.query("update tallies set success = 1 where key = $1", [ANNA]);
  await audit.superuser.query("delete from tallies where key = $1", [BERT]);
  await audit.superuser.query("insert into tallies values ('actor', $1, 'nobody', 1, 1, 1)", [DAY]);
  expect(await ofDay("actor")).not.toEqual(before);
  expect(await recount()).toBe(3);
  expect(await ofDay("actor")).toEqual(before);
  expect(await recount()).toBe(0);
});

test("another filter, or too long a time, is refused; statistics need the whole log, and reading them is logged", async () => {
  const auditor = audit.as("auditor");
  for (const query of ["by=type&actorId=x", "by=patient&from=2020-01-01T00:00:00Z", "by=nothing"])
    expect((await auditor.get(`/v1/audit/stats?${query}`)).status, query).toBe(400);
  expect((await audit.as("patient").get("/v1/audit/stats?by=actor")).status).toBe(403);
  await drainedEvents(audit.pool);
  await stats("by=actor");
  const read = (await drainedEvents(audit.pool)).findLast(
    ({ type }) => type === "medvault.audit.log.counted.v1",
  );
  expect(read?.data.details).toEqual({ bucket: "actor" });
});

test("days whose retention is over go", async () => {
  await forgetBefore(audit.pool, new Date(Date.now() - 86_400_000));
  expect((await ofDay("actor")).groups).not.toEqual([]);
  await forgetBefore(audit.pool, new Date(Date.now() + 86_400_000));
  expect((await ofDay("actor")).groups).toEqual([]);
});
