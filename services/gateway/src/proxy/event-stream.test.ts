import { lifecycleOf } from "@medvault/service-kit";
import { expect, test, vi } from "vitest";
import { givenGateway, now, type Person } from "../../test/harness.ts";

const edge = await givenGateway();
const open = { streams: 0, lastEventId: undefined as unknown };
edge.services.audit.raw = (req, res) => {
  open.streams += 1;
  open.lastEventId = req.headers["last-event-id"];
  res.once("close", () => {
    open.streams -= 1;
  });
  res
    .writeHead(200, { "content-type": "text/event-stream", "x-accel-buffering": "no" })
    .write("data: one\n\n");
};

/** A stream of which the first event has come; `rest` is what comes then, or its whole end. */
async function followed(as: Person, at = edge) {
  const answer = await at.call("/v1/audit/stream", { as, headers: { "last-event-id": "41" } });
  const reader = answer.body?.getReader();
  const { value } = (await reader?.read()) ?? {};
  expect(Buffer.from(value ?? []).toString()).toBe("data: one\n\n");
  return { answer, rest: reader?.read() as Promise<{ done: boolean }> };
}

const redis = edge.redis.client;
const ENDS: Record<string, (person: Person) => unknown> = {
  "its session ends": ({ sid }) => redis.set(`ended:${sid}`, "1"),
  "its session is gone, and auth knows none": async ({ sid }) => {
    edge.auth.sessions.delete(sid);
    await redis.del(`session:${sid}`);
  },
  "its role may no longer read the log": () =>
    redis.mset("pv:auditor", "2", "scope:auditor", "account:read:own audit:proof:any"),
  "its role may only read what is its own": () =>
    redis.mset("pv:auditor", "3", "scope:auditor", "audit:read:own"),
};
for (const [reason, end] of Object.entries(ENDS)) {
  test(`threat: a stream that is open ends, whole, once ${reason}`, async () => {
    const scope = (await redis.get("scope:auditor")) ?? "";
    const person = await edge.signIn("auditor");
    const { rest, answer } = await followed(person);
    expect([answer.headers.get("x-accel-buffering"), open.lastEventId]).toEqual(["no", "41"]);
    await end(person);
    expect((await rest).done).toBe(true);
    await vi.waitFor(() => expect(open.streams).toBe(0));
    await redis.mset("pv:auditor", "1", "scope:auditor", scope);
  });
}

test("a stream ends when its token does, and not because another right of its role changed", async () => {
  const scope = (await redis.get("scope:auditor")) ?? "";
  const person = await edge.signIn("auditor", { claims: { exp: now() + 3 } });
  const { rest } = await followed(person);
  await redis.mset("pv:auditor", "2", "scope:auditor", `${scope} user:read:any`);
  expect((await rest).done).toBe(true);
  expect(now()).toBeGreaterThanOrEqual(JSON.parse(atob(person.token.split(".")[1] ?? "")).exp);
  await redis.mset("pv:auditor", "1", "scope:auditor", scope);
});

test("threat: to listen is no use of a session, which ends when it is idle", async () => {
  const idleEnd = Date.now() + 2_000;
  const session = { idleEnd: String(idleEnd), idleMs: "2000" };
  const { rest } = await followed(await edge.signIn("auditor", { session }));
  expect((await rest).done).toBe(true);
});

test("threat: while nobody can say whether a session lives, its stream ends", async () => {
  const { rest } = await followed(await edge.signIn("auditor"));
  edge.redisLink.cut();
  expect((await rest).done).toBe(true);
  edge.redisLink.restore();
});

test("many streams end with the gateway, and what each watched goes with it", async () => {
  const own = await givenGateway();
  own.services.audit.raw = edge.services.audit.raw;
  const auditor = await own.signIn("auditor");
  const all = await Promise.all(Array.from({ length: 40 }, () => followed(auditor, own)));
  lifecycleOf(own.gateway.app).drain();
  for (const { rest } of all) expect((await rest).done).toBe(true);
  await vi.waitFor(() => expect(open.streams).toBe(0));
});
