import { randomUUID } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import type { Client } from "./support/client.ts";
import { ops } from "./support/ops.ts";
import { demoAdmin, invite, items, type Person, text } from "./support/people.ts";

let doctor: Person;
let auditor: Person;
let patientId: string;
const gateway = ops().gateway;

beforeAll(async () => {
  const { client: admin } = await demoAdmin(ops());
  doctor = await invite(ops(), admin, "doctor");
  auditor = await invite(ops(), admin, "auditor");
  const made = await doctor.client.post("/v1/patients", person(), { "idempotency-key": randomUUID() });
  patientId = text(made.body, "id");
}, 120_000);

test.each(["auth", "records", "files", "audit", "backup", "gateway"])(
  "%s killed in the middle comes back by itself, and nothing acknowledged is lost",
  async (name) => {
    const acknowledged = text((await prescribe(doctor.client)).body, "id");
    process.kill(pidOf(name), "SIGKILL");
    if (name === "records") {
      const begun = Date.now();
      const away = await doctor.client.get(`/v1/prescriptions/${acknowledged}`);
      expect([200, 502, 503]).toContain(away.status);
      expect(Date.now() - begun).toBeLessThan(3000);
    }
    await allReady();
    const read = await doctor.client.get(`/v1/prescriptions/${acknowledged}`);
    expect(read).toMatchObject({ status: 200, body: { id: acknowledged } });
  },
  60_000,
);

test("without RabbitMQ work goes on, and its events reach the log when it is back", async () => {
  process.kill(ops().rabbitmq.pid, "SIGKILL");
  const written = await prescribe(doctor.client);
  expect(written.status, JSON.stringify(written.body)).toBe(201);
  await allReady();
  await reachesTheLog(written.requestId);
}, 90_000);

test("Redis killed lets nobody in unchecked, and sessions live on when it is back", async () => {
  process.kill(ops().redis.pid, "SIGKILL");
  const away = await doctor.client.get("/v1/patients");
  expect([200, 503]).toContain(away.status);
  if (away.status === 503) expect(Number(away.headers.get("retry-after"))).toBeGreaterThan(0);
  await allReady();
  expect((await doctor.client.get("/v1/auth/me")).status).toBe(200);
}, 60_000);

test("Postgres killed loses nothing that was acknowledged, and says 503 meanwhile", async () => {
  const acknowledged = await prescribe(doctor.client);
  process.kill(ops().postgres.pid, "SIGKILL");
  const away = await prescribe(doctor.client);
  expect([201, 502, 503]).toContain(away.status);
  await allReady();
  const read = await doctor.client.get(`/v1/prescriptions/${text(acknowledged.body, "id")}`);
  expect(read.status).toBe(200);
  await reachesTheLog(acknowledged.requestId);
}, 90_000);

function person() {
  return { givenName: "Ignatius", familyName: "Featherstone", birthDate: "1948-05-05", sex: "male" };
}

function prescribe(client: Client) {
  return client.post(
    "/v1/prescriptions",
    { patientId, medication: "Metformin 500 MG", dosage: "1", startDate: "2026-11-01", status: "active" },
    { "idempotency-key": randomUUID() },
  );
}

/** The pid that ops.json names now; it is written anew when a process is started again. */
function pidOf(name: string): number {
  const found = ops().processes.find((process) => process.name === name);
  if (!found) throw new Error(`ops.json names no ${name}`);
  return found.pid;
}

/** Waits until the gateway says `ok` for every part, twice in a row: once may be from before the fall. */
async function allReady(): Promise<void> {
  let inARow = 0;
  await expect
    .poll(
      async () => {
        const answer = await fetch(`${gateway}/readyz`).then((r) => r.json() as Promise<{ status: string }>);
        inARow = answer.status === "ok" ? inARow + 1 : 0;
        return inARow;
      },
      { timeout: 45_000, interval: 300 },
    )
    .toBeGreaterThanOrEqual(2);
}

async function reachesTheLog(requestId: string): Promise<void> {
  await expect
    .poll(
      async () => items((await auditor.client.get(`/v1/audit/events?requestId=${requestId}`)).body).length,
      { timeout: 20_000 },
    )
    .toBeGreaterThan(0);
}
