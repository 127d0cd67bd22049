import { findSubjectKeys } from "@medvault/keys";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHarness, type Harness } from "../../test/harness.ts";
import { sealedUsers } from "../accounts/account.table.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const me = async (who: TestClient) => (await who.get("/v1/auth/me")).body;
const NAMELESS = { title: null, speciality: null, professionalNumber: null };

test("who gave no name is called by the user name", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  expect(await me(api)).toMatchObject({ name: person.account.username, ...NAMELESS });
});

test("a patient gives and takes a name; the event names the field, never the name", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  await h.events();
  expect(await api.patch("/v1/auth/me", { name: "Łukasz O'Neil" })).toMatchObject({
    status: 200,
    body: { name: "Łukasz O'Neil", username: person.account.username },
  });
  const events = await h.events();
  expect(events).toMatchObject([{ type: "medvault.auth.user.changed.v1", data: { fields: ["name"] } }]);
  expect(JSON.stringify(events)).not.toMatch(/neil/i);
  expect(await api.patch("/v1/auth/me", { name: null })).toMatchObject({
    body: { name: person.account.username },
  });
});

test("a patient gives themselves no title, and nobody a speciality or a professional number", async () => {
  const { api: patient } = await h.client(await h.person("patient"));
  expect((await patient.patch("/v1/auth/me", { title: "Dr." })).status).toBe(403);
  const { api: doctor } = await h.client(await h.person("doctor"));
  expect(await doctor.patch("/v1/auth/me", { title: "Prof.", name: "Ada Marsh" })).toMatchObject({
    status: 200,
    body: { title: "Prof.", name: "Ada Marsh", ...{ speciality: null, professionalNumber: null } },
  });
  for (const claim of [{ speciality: "Surgery" }, { professionalNumber: "1" }])
    expect((await doctor.patch("/v1/auth/me", claim)).status).toBe(400);
});

test("an admin says who somebody is, at the invitation and later", async () => {
  const { api } = await h.client(await h.person("admin"));
  const persona = {
    ...{ name: "Anna Weber", title: "Dr.", speciality: "Cardiology", professionalNumber: "LANR 1234567" },
  };
  const invited = { username: "anna-weber", email: "anna@clinic.example", role: "doctor" };
  const made = await api.post<{ id: string }>("/v1/users", { ...invited, ...persona });
  expect(made).toMatchObject({ status: 201, body: persona });
  const path = `/v1/users/${made.body.id}`;
  expect((await api.get(path)).body).toMatchObject(persona);
  const list = await api.get<{ items: object[] }>("/v1/users?role=doctor");
  expect(list.body.items).toContainEqual(expect.objectContaining(persona));
  const changed = await api.patch(path, { name: null, speciality: "Surgery", professionalNumber: null });
  expect(changed.body).toMatchObject({ name: "anna-weber", title: "Dr.", speciality: "Surgery" });
  expect((await api.get(path)).body).toMatchObject({ professionalNumber: null });
});

test.each([
  ["of blanks", "  "],
  ["of two lines", "Ada\nMarsh"],
  ["that turns the reading direction", "Ada \u202ehsraM"],
  ["of 101 characters", "a".repeat(101)],
])("a name %s is refused", async (_what, name) => {
  const { api } = await h.client(await h.person("patient"));
  expect(await api.patch("/v1/auth/me", { name })).toMatchObject({
    status: 400,
    body: { errors: [{ path: "name" }] },
  });
});

test("names and numbers lie in the box: the table shows none of them", async () => {
  await h.person("doctor", { name: "Zebulon Quartz", title: "Zq.", professionalNumber: "ZQ-991" });
  const { rows } = await h.ctx.pool.query("select u::text from users u");
  expect(JSON.stringify(rows)).not.toMatch(/zebulon|quartz|ZQ-991/i);
});

test("an account sealed before there were names reads as one without, and takes a name", async () => {
  const person = await h.person("doctor");
  const { name: _n, title: _t, speciality: _s, professionalNumber: _p, ...before } = person.account;
  const key = (await findSubjectKeys(h.ctx.pool, [before.id])).get(before.id) as Buffer;
  const { open, sealed } = sealedUsers.seal(h.keyring, key, before as never);
  await h.ctx.pool.query("update users set open = $2, sealed = $3 where id = $1", [before.id, open, sealed]);
  const { api } = await h.client(person);
  expect(await me(api)).toMatchObject({ name: before.username, ...NAMELESS });
  expect((await api.patch("/v1/auth/me", { name: "Ada Marsh" })).body).toMatchObject({ name: "Ada Marsh" });
});
