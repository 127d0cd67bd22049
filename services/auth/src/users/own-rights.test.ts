import { DEFAULT_PERMISSIONS } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
  await h.person("admin"); // there is always another one
});
afterAll(() => h.close());

const ADMIN = DEFAULT_PERMISSIONS.admin;

test("an admin cannot disable, demote or delete themselves by mistake, and may rename themselves", async () => {
  const me = await h.person("admin");
  const { api } = await h.client(me);
  const own = `/v1/users/${me.account.id}`;
  await h.events();
  for (const answer of [
    await api.patch<Answer>(own, { disabled: true }),
    await api.patch<Answer>(own, { role: "doctor", username: "was-admin" }),
    await api.delete<Answer>(own),
  ]) {
    expect([answer.status, answer.body.code]).toEqual([409, "would_lock_out"]);
  }
  expect((await h.events()).map(({ data }) => [data.outcome, data.decision.reason])).toEqual(
    Array(3).fill(["denied", "would_lock_out"]),
  );
  expect((await api.get(own)).body).toMatchObject({ role: "admin", disabled: false });
  const harmless = await api.patch(own, { username: "still-admin", role: "admin", disabled: false });
  expect(harmless).toMatchObject({ status: 200, body: { username: "still-admin" } });
});

test.each(["user:read:any", "user:write:any", "role:read:any", "role:write:any"])(
  "no change takes %s from all admins",
  async (permission) => {
    const { api } = await h.client(await h.person("admin"));
    const version = async () => {
      const { body } = await api.get<{ items: { role: string; version: number }[] }>("/v1/roles");
      return body.items.find(({ role }) => role === "admin")?.version;
    };
    const before = await version();
    const permissions = ADMIN.filter((known) => known !== permission);
    const answer = await api.put<Answer>("/v1/roles/admin/permissions", { permissions });
    expect([answer.status, answer.body.code]).toEqual([409, "would_lock_out"]);
    expect(await version()).toBe(before);
  },
);

test("anyone who was given the right to edit roles cannot take it from their own role; an admin can", async () => {
  const { api: admin } = await h.client(await h.person("admin"));
  const trusted = [...DEFAULT_PERMISSIONS.auditor, "role:read:any", "role:write:any"];
  const path = "/v1/roles/auditor/permissions";
  expect((await admin.put(path, { permissions: trusted })).status).toBe(200);
  const { api: auditor } = await h.client(await h.person("auditor"));
  const refused = await auditor.put<Answer>(path, { permissions: [...DEFAULT_PERMISSIONS.auditor] });
  expect([refused.status, refused.body.code]).toEqual([409, "would_lock_out"]);
  expect((await admin.put(path, { permissions: [...DEFAULT_PERMISSIONS.auditor] })).status).toBe(200);
});

test("of many admins who demote each other in a ring at once, one at least remains", async () => {
  const people = await Promise.all(Array.from({ length: 6 }, () => h.person("admin")));
  const clients = [];
  for (const person of people) clients.push((await h.client(person)).api);
  await h.ctx.pool.query("delete from users where role = 'admin' and id <> all($1::uuid[])", [
    people.map(({ account }) => account.id),
  ]);
  const answers = await Promise.all(
    clients.map((api, i) => {
      const next = `/v1/users/${people[(i + 1) % people.length]?.account.id}`;
      return i % 2 === 0 ? api.patch<Answer>(next, { role: "patient" }) : api.delete<Answer>(next);
    }),
  );
  expect(answers.every(({ status }) => [200, 204, 409].includes(status))).toBe(true);
  const { rows } = await h.ctx.pool.query(
    "select from users where role = 'admin' and not disabled and activated",
  );
  expect(rows).toHaveLength(1);
  expect(answers.filter(({ body }) => body?.code === "last_admin")).toHaveLength(1);
});

test("two changes of one role at once are two versions, and each event tells its own difference", async () => {
  const { api } = await h.client(await h.person("admin"));
  const path = "/v1/roles/patient/permissions";
  const base = [...DEFAULT_PERMISSIONS.patient];
  await h.events();
  const without = ["fhir:export:own", "file:write:own"].map((gone) => base.filter((p) => p !== gone));
  const answers = await Promise.all(
    without.map((permissions) => api.put<{ version: number }>(path, { permissions })),
  );
  const versions = answers.map(({ body }) => body.version);
  expect(Math.abs((versions[0] ?? 0) - (versions[1] ?? 0))).toBe(1);
  const changes = (await h.events()).filter(({ type }) => type === "medvault.auth.role.changed.v1");
  expect(changes.map(({ data }) => data.fields.length).sort()).toEqual([1, 2]);
});
