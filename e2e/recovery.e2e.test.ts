import { randomUUID } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import type { Client } from "./support/client.ts";
import { ops } from "./support/ops.ts";
import { invite, items, type Person, text } from "./support/people.ts";

let doctor: Person;
let auditor: Person;
let patientId: string;
const gateway = ops().gateway;

beforeAll(async () => {
  const { client: admin } = await freshAdmin(ops());
  doctor = await invite(ops(), admin, "doctor");
  auditor = await invite(ops(), admin, "auditor");
  const made = await doctor.client.post("/v1/patients", person(), { "idempotency-key": randomUUID() });
  patientId = text(made.body, "id");
}, 120_000);

test.each(["auth", "records", "files", "audit", "backup", "gateway"])(
  "%s, killed under load, comes back by itself, and nothing acknowledged is lost",
  async (name) => {
    const acknowledged = text((await prescribe(doctor.client)).body, "id");
    const pid = processPid(name);
    process.kill(pid, "SIGKILL");
    if (name === "records") {
      const begun = Date.now();
      const away = await doctor.client.get(`/v1/prescriptions/${acknowledged}`);
      expect([502, 503]).toContain(away.status);
      expect(Date.now() - begun).toBeLessThan(3000);
    }
    await back(() => processPid(name), pid);
    await expect.poll(() => statusOfRead(acknowledged), { timeout: 15_000 }).toBe(200);
  },
  60_000,
);

test("without RabbitMQ work goes on, and its events reach the log once it is back", async () => {
  const { pid } = ops().rabbitmq;
  process.kill(pid, "SIGKILL");
  const written = await prescribe(doctor.client);
  expect(written.status, JSON.stringify(written.body)).toBe(201);
  await back(() => ops().rabbitmq.pid, pid);
  await reachesTheLog(written.requestId);
}, 90_000);

test("while Redis is killed nobody gets in unchecked, and sessions live on when it is back", async () => {
  const { pid } = ops().redis;
  process.kill(pid, "SIGKILL");
  const away = await doctor.client.get("/v1/patients");
  expect([200, 503]).toContain(away.status);
  if (away.status === 503) expect(Number(away.headers.get("retry-after"))).toBeGreaterThan(0);
  await back(() => ops().redis.pid, pid);
  await expect
    .poll(async () => (await doctor.client.get("/v1/auth/me")).status, { timeout: 15_000 })
    .toBe(200);
}, 60_000);

test("when Postgres is killed nothing acknowledged is lost, and requests are 503 until it is back", async () => {
  const acknowledged = await prescribe(doctor.client);
  const { pid } = ops().postgres;
  process.kill(pid, "SIGKILL");
  const away = await prescribe(doctor.client);
  expect([201, 502, 503]).toContain(away.status);
  await back(() => ops().postgres.pid, pid);
  await expect.poll(() => statusOfRead(text(acknowledged.body, "id")), { timeout: 15_000 }).toBe(200);
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

async function statusOfRead(prescriptionId: string): Promise<number> {
  return (await doctor.client.get(`/v1/prescriptions/${prescriptionId}`)).status;
}

function processPid(name: string): number {
  const found = ops().processes.find((process) => process.name === name);
  if (!found) throw new Error(`ops.json names no ${name}`);
  return found.pid;
}

/** Waits until ops.json, rewritten at each start, has a new pid, and the gateway says `ok`. */
async function back(pidNow: () => number, pidBefore: number): Promise<void> {
  await expect.poll(pidNow, { timeout: 30_000 }).not.toBe(pidBefore);
  const ready = async () => {
    const answer = await fetch(`${gateway}/readyz`).catch(() => null); // the gateway may be away
    return ((await answer?.json()) as { status?: string } | undefined)?.status;
  };
  await expect.poll(ready, { timeout: 45_000, interval: 300 }).toBe("ok");
}

async function reachesTheLog(requestId: string): Promise<void> {
  await expect
    .poll(
      async () => items((await auditor.client.get(`/v1/audit/events?requestId=${requestId}`)).body).length,
      { timeout: 20_000 },
    )
    .toBeGreaterThan(0);
}
