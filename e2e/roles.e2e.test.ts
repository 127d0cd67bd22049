import { afterAll, beforeAll, expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import type { Client, Json } from "./support/client.ts";
import { ops } from "./support/ops.ts";
import { invite, items, type Person, registerPatient } from "./support/people.ts";

// A change must hold for issued tokens within a second of its answer.
const WITHIN_MS = 1000;
let admin: Client;
let doctor: Person;
let doctors: string[];

beforeAll(async () => {
  admin = (await freshAdmin(ops())).client;
  doctor = await invite(ops(), admin, "doctor");
  const roles = items((await admin.get("/v1/roles")).body);
  doctors = roles.find(({ role }) => role === "doctor")?.permissions as string[];
}, 120_000);
afterAll(() => allow(doctors));

const allow = (permissions: string[]) => admin.put("/v1/roles/doctor/permissions", { permissions });

/** Milliseconds until `call` first answers with this status. */
async function msUntil(status: number, call: () => Promise<{ status: number; body: Json }>): Promise<number> {
  const since = performance.now();
  for (;;) {
    const answer = await call();
    if (answer.status === status) return performance.now() - since;
    if (performance.now() - since > 10 * WITHIN_MS) throw new Error(`still ${answer.status}`);
  }
}

test("a permission that is taken from a role is gone for issued tokens within a second, and back as fast", async () => {
  const list = () => doctor.client.get("/v1/patients");
  expect((await list()).status).toBe(200);
  expect((await allow(doctors.filter((name) => name !== "patient:read:assigned"))).status).toBe(200);
  expect(await msUntil(403, list)).toBeLessThan(WITHIN_MS);
  expect((await list()).body.code).toBe("forbidden");
  expect((await allow(doctors)).status).toBe(200);
  expect(await msUntil(200, list)).toBeLessThan(WITHIN_MS);
});

test("a disabled, demoted or deleted user's token is dead within a second", async () => {
  for (const end of [{ disabled: true }, { role: "doctor" }, null]) {
    const { id, client } = await registerPatient(ops());
    expect((await client.get("/v1/auth/me")).status).toBe(200);
    const user = `/v1/users/${id}`;
    const done = await (end ? admin.call("PATCH", user, { body: end }) : admin.delete(user));
    expect(done.status, JSON.stringify(done.body)).toBeLessThan(300);
    expect(await msUntil(401, () => client.get("/v1/auth/me"))).toBeLessThan(WITHIN_MS);
  }
});

test("an admin can take neither their own rights nor the last admin's", async () => {
  const me = await admin.get("/v1/auth/me");
  const own = `/v1/users/${me.body.id}`;
  const permissions = (me.body.permissions as string[]).filter((name) => name !== "role:write:any");
  for (const answer of [
    await admin.call("PATCH", own, { body: { disabled: true } }),
    await admin.call("PATCH", own, { body: { role: "patient" } }),
    await admin.delete(own),
    await admin.put("/v1/roles/admin/permissions", { permissions }),
  ]) {
    expect(answer.status).toBe(409);
    expect(["would_lock_out", "last_admin"]).toContain(answer.body.code);
  }
  expect((await admin.get("/v1/users")).status).toBe(200);
});
