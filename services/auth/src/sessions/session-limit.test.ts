import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createHarness, type Harness, type Person } from "../../test/harness.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
beforeEach(() => h.events());
afterAll(() => h.close());

const live = async ({ account }: Person): Promise<string[]> => {
  const { rows } = await h.ctx.pool.query<{ id: string }>(
    "select id from sessions where user_id = $1 and ended_at is null order by id",
    [account.id],
  );
  return rows.map(({ id }) => id);
};
const recorded = async () =>
  (await h.events())
    .filter((event) => /limit-reached|session\.ended/.test(event.type))
    .map((event) => `${event.type.split(".").slice(2, 4).join(".")} ${event.data.outcome}`);

test("the sixth sign-in ends the oldest session, in Redis too, and an alert tells of it", async () => {
  const person = await h.person("patient");
  const sessions = [];
  for (let i = 0; i < 5; i++) sessions.push((await h.client(person)).tokens.sessionId);
  expect(await recorded()).toEqual([]);
  sessions.push((await h.client(person)).tokens.sessionId);
  expect(await live(person)).toEqual(sessions.slice(1));
  expect(await h.redis.client.exists(`session:${sessions[0]}`)).toBe(0);
  expect(await recorded()).toEqual(["session.limit-reached success", "session.ended success"]);
});

test("of twelve sign-ins at once at most as many sessions live as the user may have", async () => {
  const person = await h.person("patient", { maxSessions: 3 });
  const answers = await Promise.all(
    Array.from({ length: 4 }, () => Promise.all([1, 2, 3].map(() => h.signIn(person)))),
  );
  const signedIn = answers.flat().filter(({ status }) => status === 200);
  expect(signedIn.length).toBeGreaterThanOrEqual(4);
  expect(await live(person)).toHaveLength(3);
});

test("by setting a sign-in over the limit is refused instead, and no session gives way", async () => {
  const person = await h.person("patient", { maxSessions: 1 });
  const { api, tokens } = await h.client(person);
  h.ctx.settings.sessionLimit = "refuse";
  try {
    const refused = await h.signIn(person);
    expect([refused.status, refused.body.code]).toEqual([409, "session_limit_reached"]);
    expect(await live(person)).toEqual([tokens.sessionId]);
    expect(await recorded()).toEqual(["session.limit-reached denied"]);
    expect((await api.delete(`/v1/auth/sessions/${tokens.sessionId}`)).status).toBe(204);
    expect((await h.signIn(person)).status).toBe(200);
  } finally {
    h.ctx.settings.sessionLimit = "end-oldest";
  }
});

test("an admin sets how many sessions one user may have, and it holds from the next sign-in on", async () => {
  const person = await h.person("patient");
  for (let i = 0; i < 4; i++) await h.client(person);
  const { api } = await h.client(await h.person("admin"));
  const path = `/v1/users/${person.account.id}/session-settings`;
  expect((await api.patch(path, { maxConcurrent: 2 })).status).toBe(200);
  expect(await live(person)).toHaveLength(4);
  await h.client(person);
  expect(await live(person)).toHaveLength(2);
  for (const maxConcurrent of [0, 51, 1.5, "2"]) {
    expect((await api.patch(path, { maxConcurrent })).status).toBe(400);
  }
});
