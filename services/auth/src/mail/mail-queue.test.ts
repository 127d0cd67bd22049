import { BOX_OVERHEAD_BYTES, paddedLength } from "@medvault/crypto";
import { tableKey } from "@medvault/keys";
import { inTransaction, type Tx } from "@medvault/postgres";
import { testLogger } from "@medvault/testing";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createHarness, type Harness } from "../../test/harness.ts";
import { composeTask } from "../reminders/reminder.service.ts";
import type { Mail } from "./mail.ts";
import { createMailQueue, type MailQueue, retryAfterMs } from "./mail-queue.service.ts";
import type { MailTask } from "./mail-task.service.ts";
import { MailRefused } from "./mail-transport.client.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
  await h.ctx.mails.stop(); // here each test has a queue of its own
});
const open: MailQueue[] = [];
const timers: NodeJS.Timeout[] = [];
afterEach(async () => {
  for (const timer of timers.splice(0)) clearInterval(timer);
  for (const queue of open.splice(0)) await queue.stop();
  await h.ctx.pool.query("delete from mails");
});
afterAll(() => h.close());

const SECRET = "S".repeat(43);
const mail: Mail = { to: "a@home.example", subject: "Subject", text: `link#token=${SECRET}` };
const rows = async () =>
  (
    await h.ctx.pool.query(
      "select kind, attempts, parked_at is not null as parked, sealed from mails order by id",
    )
  ).rows;
/** Wakes a queue as its job does, until the end of the test. */
function start(queue: MailQueue): void {
  queue.wake();
  timers.push(setInterval(() => queue.wake(), 200));
}
/** Waits until the mail has failed so often, then moves the clock to its next try. */
async function toNextTry(attempts: number): Promise<void> {
  const waitingMs = async () => {
    const query = "select next_at from mails where attempts = $1 and parked_at is null";
    const { rows } = await h.ctx.pool.query<{ next_at: Date }>(query, [attempts]);
    return rows.map((row) => row.next_at.getTime() - h.ctx.now().getTime());
  };
  await expect.poll(waitingMs, { timeout: 20_000 }).toEqual([retryAfterMs(attempts)]);
  h.advance(retryAfterMs(attempts) + 1);
}
const task = { name: "reset" as const, email: `${SECRET}@home.example` };
const put = (queue: MailQueue) => inTransaction(h.ctx.pool, (tx) => queue.later(tx, task));

/** As the service composes them. */
const real = (tx: Tx, made: MailTask) => composeTask(h.ctx, tx, made);

/** A queue whose mails are all the one above, or by `compose`. */
async function queueWith(
  send: (sent: Mail) => Promise<void>,
  { attemptsMax = 24, compose = async () => mail }: Partial<Parameters<typeof createMailQueue>[0]> = {},
) {
  const logger = testLogger();
  const queue = createMailQueue({
    pool: h.ctx.pool,
    key: await tableKey(h.ctx.pool, h.keyring, "mails"),
    transport: { send, probe: async () => {}, close() {} },
    from: "x@y.example",
    compose,
    now: h.ctx.now,
    attemptsMax,
    logger: logger as unknown as Parameters<typeof createMailQueue>[0]["logger"],
  });
  open.push(queue);
  return { queue, logger };
}

test("a mail waits sealed in the transaction of its cause, and goes when it has committed", async () => {
  const sent: Mail[] = [];
  const { queue } = await queueWith(async (one) => void sent.push(one));
  await inTransaction(h.ctx.pool, async (tx) => {
    await queue.later(tx, task);
    throw new Error("rolled back");
  }).catch(() => {});
  expect(await rows()).toEqual([]);
  await put(queue);
  const [row] = await rows();
  expect(row.sealed.toString("latin1")).not.toContain(SECRET);
  expect(row.sealed.toString("latin1")).not.toContain("home.example");
  expect(row.sealed).toHaveLength(BOX_OVERHEAD_BYTES + paddedLength(1));
  start(queue);
  await expect.poll(() => sent).toEqual([expect.objectContaining({ ...mail, from: "x@y.example" })]);
  await expect.poll(rows).toEqual([]);
});

test("a server that is away is tried again, later and later, and a restart loses nothing", async () => {
  let isAway = true;
  const sent: Mail[] = [];
  const send = async (one: Mail) => {
    if (isAway) throw new Error("ECONNREFUSED");
    sent.push(one);
  };
  const first = await queueWith(send);
  await put(first.queue);
  start(first.queue);
  await toNextTry(1);
  await first.queue.stop();
  const second = await queueWith(send);
  start(second.queue);
  await expect.poll(rows).toMatchObject([{ attempts: 2, parked: false }]);
  isAway = false;
  await toNextTry(2);
  await expect.poll(() => sent, { timeout: 20_000 }).toHaveLength(1);
  expect(JSON.stringify([...first.logger.lines, ...second.logger.lines])).not.toContain(SECRET);
});

test("a mail that meets a full disk waits for room, is tried every 15 s, and is never given up", async () => {
  let isFull = true;
  let tries = 0;
  const { queue } = await queueWith(
    async () => {
      tries += 1;
      if (isFull) throw Object.assign(new Error("no space"), { code: "ENOSPC", syscall: "write" });
    },
    { attemptsMax: 2 },
  );
  await put(queue);
  start(queue);
  for (let expected = 1; expected <= 4; expected++) {
    await expect.poll(() => tries).toBe(expected);
    await expect.poll(rows).toMatchObject([{ attempts: 0, parked: false }]);
    isFull = expected < 3;
    h.advance(15_001);
    if (!isFull) break;
  }
  await expect.poll(rows).toEqual([]);
});

test("a refused mail is parked at once, one that never goes after its last try; their content is gone, an event stays", async () => {
  await h.events();
  const refusing = await queueWith(async () => {
    throw new MailRefused();
  });
  await put(refusing.queue);
  start(refusing.queue);
  await expect.poll(rows).toMatchObject([{ attempts: 1, parked: true, sealed: null }]);
  await refusing.queue.stop();
  await h.ctx.pool.query("delete from mails");
  const failing = await queueWith(
    async () => {
      throw new Error("away");
    },
    { attemptsMax: 3 },
  );
  await put(failing.queue);
  start(failing.queue);
  for (const attempts of [1, 2]) await toNextTry(attempts);
  await expect.poll(rows, { timeout: 20_000 }).toMatchObject([{ attempts: 3, parked: true, sealed: null }]);
  const parked = (await h.events()).filter((event) => event.type === "medvault.auth.mail.parked.v1");
  expect(parked.map((event) => [event.data.outcome, event.data.decision.reason, event.data.details])).toEqual(
    [
      ["failure", "refused", { kind: "reset", attempts: 1 }],
      ["failure", "gave_up", { kind: "reset", attempts: 3 }],
    ],
  );
});

test("a slow server holds up no other mail, and no more than four are under way", async () => {
  let running = 0;
  let most = 0;
  let release: () => void = () => {};
  const slow = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { queue } = await queueWith(async () => {
    most = Math.max(most, ++running);
    await slow;
    running--;
  });
  for (let i = 0; i < 12; i++) await put(queue);
  start(queue);
  await expect.poll(() => running).toBe(4);
  release();
  await expect.poll(rows, { timeout: 20_000 }).toEqual([]);
  expect(most).toBe(4);
});

test("two processes send each mail once", async () => {
  const sent: string[] = [];
  const compose = async (_tx: Tx, made: MailTask) => ({
    ...mail,
    subject: "email" in made ? `${made.email}` : "",
  });
  const queues = await Promise.all(
    [1, 2].map(() => queueWith(async (one) => void sent.push(one.subject), { compose })),
  );
  const [first] = queues;
  for (let i = 0; i < 30; i++) {
    await inTransaction(h.ctx.pool, async (tx) => first?.queue.later(tx, { name: "reset", email: `${i}` }));
  }
  for (const { queue } of queues) start(queue);
  await expect.poll(rows, { timeout: 10_000 }).toEqual([]);
  expect(sent.sort()).toEqual(Array.from({ length: 30 }, (_, i) => `${i}`).sort());
});

test("a reset that was made into a mail keeps its token over every try", async () => {
  const person = await h.person("patient");
  const seen: string[] = [];
  const { queue } = await queueWith(
    async (one) => {
      seen.push(/#token=(.*)/.exec(one.text)?.[1] ?? "none");
      if (seen.length < 3) throw new Error("away");
    },
    { compose: real },
  );
  await inTransaction(h.ctx.pool, (tx) => queue.later(tx, { name: "reset", email: person.account.email }));
  start(queue);
  for (const attempts of [1, 2]) await toNextTry(attempts);
  await expect.poll(() => seen, { timeout: 20_000 }).toHaveLength(3);
  expect(new Set(seen).size).toBe(1);
});

test("anyone who asks for resets again and again mails their victim ten an hour, and one lock a day", async () => {
  const person = await h.person("patient");
  const sent: string[] = [];
  const { queue } = await queueWith(async (one) => void sent.push(one.subject), { compose: real });
  start(queue);
  for (let i = 0; i < 12; i++) {
    await inTransaction(h.ctx.pool, async (tx) => {
      await queue.later(tx, { name: "reset", email: person.account.email });
      await queue.later(tx, { name: "reset", email: "nobody@home.example" });
      await queue.later(tx, { name: "locked", userId: person.account.id });
      await queue.later(tx, { name: "locked", userId: null });
    });
  }
  await expect.poll(rows, { timeout: 20_000 }).toEqual([]);
  expect(sent.filter((subject) => subject === "A new MedVault password")).toHaveLength(10);
  expect(sent).toHaveLength(11);
  h.advance(61 * 60_000);
  await inTransaction(h.ctx.pool, (tx) => queue.later(tx, { name: "reset", email: person.account.email }));
  await expect.poll(() => sent).toHaveLength(12);
});
