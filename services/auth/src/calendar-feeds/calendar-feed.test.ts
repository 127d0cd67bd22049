import type { NewCalendarFeed } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHarness, type Harness, type Person } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h?.close());

const FEEDS = "/v1/auth/calendar-feeds";
const tokenIn = (path: string) => /^\/v1\/calendar\/([0-9a-f]{64})\.ics$/.exec(path)?.[1] ?? "";
const resolve = (token: string) => h.guest().post("/internal/calendar-feeds", { token });

async function given(role: Person["account"]["role"] = "doctor") {
  const person = await h.person(role);
  const { api } = await h.client(person);
  return { person, api, make: () => api.post<NewCalendarFeed>(FEEDS) };
}
const unknown = { status: 404, body: { code: "not_found" } };

test("a link is made, shown once, used and revoked; each is in the log, and its token nowhere", async () => {
  const { person, api, make } = await given();
  await h.events();
  const made = await make();
  expect(made.status).toBe(201);
  const token = tokenIn(made.body.path);
  expect(await resolve(token)).toMatchObject({
    status: 200,
    body: { feedId: made.body.id, userId: person.account.id, role: "doctor", scope: "assigned" },
  });
  const listed = await api.get<{ items: object[] }>(FEEDS);
  expect(listed.body.items).toEqual([
    { id: made.body.id, createdAt: made.body.createdAt, lastUsedAt: expect.any(String) },
  ]);
  expect((await api.delete(`${FEEDS}/${made.body.id}`)).status).toBe(204);
  expect(await resolve(token)).toMatchObject(unknown);
  const events = await h.events();
  expect(events.map(({ type }) => type).filter((type) => type.includes("calendar-feed"))).toEqual(
    expect.arrayContaining(
      ["created", "listed", "revoked"].map((verb) => `medvault.auth.calendar-feed.${verb}.v1`),
    ),
  );
  expect(JSON.stringify(events)).not.toContain(token);
});

test("threat: who has the tables reads calendars: they hold hashes alone", async () => {
  const { make } = await given();
  const token = tokenIn((await make()).body.path);
  const { rows } = await h.ctx.pool.query("select f::text as feed from calendar_feeds f");
  expect(JSON.stringify(rows)).not.toContain(token);
});

test("threat: the token of somebody who was disabled, or may read no appointments any more, opens them", async () => {
  const { person, make } = await given();
  const token = tokenIn((await make()).body.path);
  expect((await resolve(token)).status).toBe(200);
  const set = (disabled: boolean) =>
    h.ctx.pool.query("update users set disabled = $2 where id = $1", [person.account.id, disabled]);
  await set(true);
  expect(await resolve(token)).toMatchObject(unknown);
  await set(false);
  const taken = "delete from role_permissions where role = 'doctor' and permission like 'appointment:read:%'";
  await h.ctx.pool.query(taken);
  expect(await resolve(token)).toMatchObject(unknown);
  await h.ctx.pool.query("insert into role_permissions values ('doctor', 'appointment:read:assigned')");
  expect((await resolve(token)).status).toBe(200);
});

test("one person has five links, also when they are made at once, and revokes no other person's", async () => {
  const { api, make } = await given("patient");
  const answers = await Promise.all(Array.from({ length: 8 }, make));
  expect(answers.map(({ status }) => status).sort()).toEqual([...Array(5).fill(201), ...Array(3).fill(409)]);
  const other = await given();
  const feed = answers.find(({ status }) => status === 201)?.body.id;
  expect(await other.api.delete(`${FEEDS}/${feed}`)).toMatchObject(unknown);
  expect((await api.delete(`${FEEDS}/${feed}`)).status).toBe(204);
  expect((await make()).status).toBe(201);
});

test("who may read no appointments has no link, and what is no token is refused", async () => {
  const { api } = await given("auditor");
  expect((await api.post(FEEDS)).status).toBe(403);
  const guest: TestClient = h.guest();
  expect((await guest.post(FEEDS)).status).toBe(401);
  expect(await resolve("0".repeat(64))).toMatchObject(unknown);
  for (const token of ["", "0".repeat(63), "z".repeat(64), "0".repeat(65)])
    expect((await resolve(token)).status).toBe(400);
});
