import { randomUUID } from "node:crypto";
import { beforeAll, expect, test, vi } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import type { Client } from "./support/client.ts";
import { ops } from "./support/ops.ts";
import { invite, items, type Person } from "./support/people.ts";

const PARALLEL = 50;
let admin: Client;
let doctor: Person;

beforeAll(async () => {
  admin = (await freshAdmin(ops())).client;
  doctor = await invite(ops(), admin, "doctor");
}, 120_000);

const patient = (familyName: string) => ({
  givenName: "Iris",
  familyName,
  birthDate: "1970-01-02",
  sex: "female",
});

test("50 requests at once with one key and body make one patient and one event; each gets the first's answer or 409", async () => {
  const key = { "idempotency-key": randomUUID() };
  const body = patient(`Einmal-${randomUUID().slice(0, 8)}`);
  const answers = await Promise.all(
    Array.from({ length: PARALLEL }, () => doctor.client.post("/v1/patients", body, key)),
  );
  const made = answers.filter(({ status }) => status === 201);
  const waiting = answers.filter(({ status }) => status === 409);
  expect(made.length + waiting.length, JSON.stringify(answers.map(({ status }) => status))).toBe(PARALLEL);
  expect(made.length).toBeGreaterThan(0);
  expect(new Set(made.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
  expect(new Set(waiting.map((answer) => answer.body.code))).toEqual(
    new Set(waiting.length > 0 ? ["request_in_progress"] : []),
  );

  const again = await doctor.client.post("/v1/patients", body, key);
  expect([again.status, again.body]).toEqual([201, made[0]?.body]);
  const other = await doctor.client.post("/v1/patients", patient("Anders"), key);
  expect([other.status, other.body.code]).toEqual([422, "idempotency_key_reused"]);

  const id = String(made[0]?.body.id);
  const found = await doctor.client.post("/v1/patients/search", { q: body.familyName });
  expect(items(found.body).map((one) => one.id)).toEqual([id]);
  await vi.waitFor(
    async () => {
      const events = await admin.get(
        `/v1/audit/events?type=medvault.records.patient.created.v1&patientId=${id}`,
      );
      expect(items(events.body)).toHaveLength(1);
    },
    { timeout: 15_000, interval: 90 },
  );
});
