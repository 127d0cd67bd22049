import { newId } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const adminClient = async () => {
  const person = await h.person("admin");
  return { person, ...(await h.client(person)) };
};

test("an admin invites a doctor, who chooses a password by the mailed token and must enrol", async () => {
  const { api } = await adminClient();
  await h.events();
  const made = await api.post<Answer>("/v1/users", {
    username: "dr-invited",
    email: "dr@clinic.example",
    role: "doctor",
  });
  expect(made).toMatchObject({ status: 201, body: { role: "doctor", activated: false, disabled: false } });
  expect(JSON.stringify(made.body)).not.toMatch(/token|password/i);
  const token = await h.mailedToken("dr@clinic.example");
  const login = () =>
    h.guest().post<Answer>("/v1/auth/login", { identifier: "dr-invited", password: PASSWORD });
  expect((await login()).status).toBe(401);
  const accept = () => h.guest().post("/v1/auth/password/reset", { token, newPassword: PASSWORD });
  expect((await accept()).status).toBe(204);
  expect((await accept()).status).toBe(400);
  expect((await login()).body).toMatchObject({ mfaEnrollmentRequired: true });
  const events = await h.events();
  expect(events.map((event) => event.type)).toEqual(
    expect.arrayContaining(["medvault.auth.user.created.v1", "medvault.auth.invitation.accepted.v1"]),
  );
  expect(JSON.stringify(events)).not.toMatch(/dr-invited|dr@clinic/);
  const taken = await api.post("/v1/users", {
    username: "dr-2",
    email: "DR@clinic.example",
    role: "doctor",
  });
  expect(taken).toMatchObject({ status: 409, body: { code: "email_taken" } });
});

test("nobody but admins reaches users and roles", async () => {
  const patient = await h.person("patient");
  for (const role of ["patient", "doctor", "auditor"] as const) {
    const { api } = await h.client(await h.person(role));
    for (const path of ["/v1/users", `/v1/users/${patient.account.id}`, "/v1/roles", "/v1/sessions"]) {
      expect((await api.get(path)).status, `${role} ${path}`).toBe(403);
    }
    expect((await api.get(`/v1/users/${patient.account.id}/sessions`)).status).toBe(403);
    expect((await api.delete(`/v1/users/${patient.account.id}/sessions`)).status).toBe(403);
    expect((await api.post("/v1/users", {})).status).toBe(403);
  }
  expect((await h.guest().get("/v1/users")).status).toBe(401);
});

test("changes of users require a fresh sign-in", async () => {
  const { tokens, person } = await adminClient();
  const stale = await h.withToken(tokens.accessToken, { authTime: Math.floor(Date.now() / 1000) - 601 });
  const user = `/v1/users/${person.account.id}`;
  const calls = [
    stale.post<Answer>("/v1/users", { username: "abc", email: "a@b.example", role: "doctor" }),
    stale.patch<Answer>(user, { disabled: true }),
    stale.delete<Answer>(user),
    stale.post<Answer>(`${user}/unlock`),
    stale.delete<Answer>(`${user}/sessions`),
    stale.put<Answer>("/v1/roles/doctor/permissions", { permissions: [] }),
  ];
  for (const answer of await Promise.all(calls)) {
    expect([answer.status, answer.body.code]).toEqual([403, "step_up_required"]);
  }
  expect((await stale.get("/v1/users")).status).toBe(200);
});

test("another role or disabling ends the user's sessions; a new name or address does not", async () => {
  const { api } = await adminClient();
  const person = await h.person("patient");
  const { tokens } = await h.client(person);
  const user = `/v1/users/${person.account.id}`;
  const lives = async () => (await h.redis.client.exists(`session:${tokens.sessionId}`)) === 1;
  const renamed = await api.patch(user, { username: "renamed-by-admin" });
  expect(renamed).toMatchObject({ status: 200, body: { username: "renamed-by-admin" } });
  expect(await lives()).toBe(true);
  const stale = await api.patch(user, { role: "doctor" }, { headers: { "if-match": '"1"' } });
  expect(stale.status).toBe(412);
  expect((await api.patch(user, { role: "doctor" }, { headers: { "if-match": '"2"' } })).status).toBe(200);
  expect(await lives()).toBe(false);
  const login = await h
    .guest()
    .post<Answer>("/v1/auth/login", { identifier: "renamed-by-admin", password: PASSWORD });
  expect(login.body).toMatchObject({ mfaEnrollmentRequired: true });
  expect((await api.patch(user, { disabled: true })).status).toBe(200);
  expect(await h.redis.client.exists(`session:${login.body.sessionId}`)).toBe(0);
});

test("a deleted user is gone with all that opens what is left, and the name is free", async () => {
  const { api } = await adminClient();
  const person = await h.person("patient");
  const { tokens } = await h.client(person);
  await h.events();
  expect((await api.delete(`/v1/users/${person.account.id}`)).status).toBe(204);
  expect((await api.get(`/v1/users/${person.account.id}`)).status).toBe(404);
  expect(await h.redis.client.exists(`session:${tokens.sessionId}`)).toBe(0);
  const { rows } = await h.ctx.pool.query("select from subject_keys where subject_id = $1", [
    person.account.id,
  ]);
  expect(rows).toEqual([]);
  const { rows: shreds } = await h.ctx.pool.query("select final_at from shreds where subject_id = $1", [
    person.account.id,
  ]);
  expect(shreds).toEqual([{ final_at: null }]); // a rotation makes it final, in backups as well
  expect((await h.events()).map((event) => event.type)).toEqual([
    "medvault.auth.session.ended.v1",
    "medvault.auth.user.deleted.v1",
    "medvault.auth.request.denied.v1",
  ]);
  const again = await h.guest().post("/v1/auth/register", {
    username: person.account.username,
    email: person.account.email,
    password: PASSWORD,
  });
  expect(again.status).toBe(201);
  expect((await api.get("/v1/users/not-an-id")).status).toBe(404);
});

test("an admin lifts a lockout, and says how many sessions a user may have", async () => {
  const { api } = await adminClient();
  const person = await h.person("patient");
  const login = (password: string) =>
    h.guest().post<Answer>("/v1/auth/login", { identifier: person.account.username, password });
  for (let i = 0; i < 6; i++) await login(`Wrong-${i}`);
  expect((await login(PASSWORD)).status).toBe(429);
  expect((await api.post(`/v1/users/${person.account.id}/unlock`)).status).toBe(204);
  expect((await login(PASSWORD)).status).toBe(200);
  const settings = `/v1/users/${person.account.id}/session-settings`;
  const stale = await api.patch(settings, { maxConcurrent: 9 }, { headers: { "if-match": '"999"' } });
  expect(stale).toMatchObject({ status: 412, body: { code: "version_conflict" } });
  const limited = await api.patch(settings, { maxConcurrent: 1 });
  expect(limited).toMatchObject({ status: 200, body: { maxConcurrent: 1 } });
  await login(PASSWORD);
  const own = await api.get<{ items: unknown[] }>(`/v1/users/${person.account.id}/sessions`);
  expect(own.body.items).toHaveLength(1);
  expect((await api.delete(`/v1/users/${person.account.id}/sessions`)).status).toBe(204);
  const none = await api.get<{ items: unknown[] }>(`/v1/users/${person.account.id}/sessions`);
  expect(none.body.items).toEqual([]);
});

test("users and sessions come in pages, newest first", async () => {
  const { api } = await adminClient();
  const ids: string[] = [];
  let cursor = "";
  do {
    const { body } = await api.get<{ items: { id: string }[]; nextCursor: string | null }>(
      `/v1/users?limit=3${cursor}`,
    );
    ids.push(...body.items.map((item) => item.id));
    cursor = body.nextCursor ? `&cursor=${encodeURIComponent(body.nextCursor)}` : "";
  } while (cursor);
  expect(ids).toEqual([...ids].sort().reverse());
  const { rows } = await h.ctx.pool.query("select count(*) as n from users");
  expect(new Set(ids).size).toBe(rows[0]?.n);
  const doctors = await api.get<{ items: { role: string }[] }>("/v1/users?role=doctor&disabled=false");
  expect(new Set(doctors.body.items.map((item) => item.role))).toEqual(new Set(["doctor"]));
  expect((await api.get("/v1/users?cursor=bad")).status).toBe(400);
  const sessions = await api.get<{ items: { role: string; current: boolean }[] }>("/v1/sessions?role=admin");
  expect(sessions.body.items.filter((item) => item.current)).toHaveLength(1);
  expect(new Set(sessions.body.items.map((item) => item.role))).toEqual(new Set(["admin"]));
});

test("threat: the sessions of nobody look like those of someone who has none", async () => {
  const { api } = await adminClient();
  const idle = await h.person("patient");
  expect(await api.get(`/v1/users/${idle.account.id}/sessions`)).toMatchObject({
    status: 200,
    body: { items: [] },
  });
  for (const answer of [
    await api.get(`/v1/users/${newId()}/sessions`),
    await api.delete(`/v1/users/${newId()}/sessions`),
  ]) {
    expect(answer).toMatchObject({ status: 404, body: { code: "not_found" } });
  }
});

test("records learns the role of an active account with anyone's assertion, of no other, and a guest learns nothing", async () => {
  const [doctor, patient] = [await h.person("doctor"), await h.person("patient")];
  const { api } = await h.client(patient);
  const ask = (id: string) => api.get(`/internal/users/${id}`);
  expect(await ask(doctor.account.id)).toMatchObject({
    status: 200,
    body: { id: doctor.account.id, role: "doctor" },
  });
  expect(Object.keys((await ask(patient.account.id)).body as object).sort()).toEqual(["id", "role"]);
  expect((await ask(newId())).status).toBe(404);
  await h.ctx.pool.query("update users set disabled = true where id = $1", [doctor.account.id]);
  expect((await ask(doctor.account.id)).status).toBe(404);
  expect((await h.guest().get(`/internal/users/${patient.account.id}`)).status).toBe(401);
});
