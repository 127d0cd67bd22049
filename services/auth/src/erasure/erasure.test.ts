import { announcedErasure, type CloudEvent, newId } from "@medvault/contracts";
import { tableKey } from "@medvault/keys";
import { inTransaction } from "@medvault/postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHarness, type Harness } from "../../test/harness.ts";
import { createMailQueue } from "../mail/mail-queue.service.ts";
import { forgetAccounts } from "./erasure.consumers.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
  const { pool, keyring, logger, now } = h.ctx;
  // One that sends nothing, so that mails wait.
  h.ctx.mails = createMailQueue({
    ...{ pool, now, logger, from: "x@y.example", key: await tableKey(pool, keyring, "mails") },
    transport: { send: async () => {}, probe: async () => {}, close() {} },
    compose: async () => null,
  });
});
afterAll(() => h?.close());

function announced(accountId: string | null): CloudEvent {
  const { data, type, subject } = announcedErasure({
    ...{ number: 7, patientIds: [newId()], erasedAt: "2026-11-01T00:00:00.000Z", previous: "0".repeat(64) },
    ...{ publicKey: "A".repeat(43), signature: `${"A".repeat(86)}==`, accountId },
  });
  const envelope = { specversion: "1.0", datacontenttype: "application/json", source: "/medvault/records" };
  return { ...envelope, id: newId(), time: new Date().toISOString(), type, subject, data } as CloudEvent;
}
const tell = (...events: CloudEvent[]) =>
  inTransaction(h.ctx.pool, (tx) => forgetAccounts(h.ctx, events, tx));

/** Rows that name an account, in every table but those that say that it is gone. */
async function leftOf(id: string): Promise<string[]> {
  const { rows } = await h.ctx.pool.query<{ name: string; column: string }>(
    `select format('%I.%I', table_schema, table_name) as name, column_name as column from information_schema.columns
      where table_schema in ('auth', 'auth_sys') and data_type = 'uuid'
        and table_name not in ('erased_subjects', 'shreds', 'sessions')`,
  );
  const found: string[] = [];
  for (const { name, column } of rows) {
    const { rowCount } = await h.ctx.pool.query(`select from ${name} where "${column}" = $1`, [id]);
    if (rowCount) found.push(name);
  }
  return found;
}

test("the account that was the patient's is gone with its sessions, mails, links and feeds; another's is not", async () => {
  const [gone, stays] = [await h.person("patient"), await h.person("patient")];
  const [mine, other] = [await h.client(gone), await h.client(stays)];
  const id = gone.account.id;
  expect((await mine.api.post("/v1/auth/calendar-feeds")).status).toBe(201);
  await inTransaction(h.ctx.pool, async (tx) => {
    for (const { account } of [gone, stays]) {
      await h.ctx.mails.later(tx, { name: "registered", userId: account.id, confirm: true });
      await h.ctx.mails.later(tx, { name: "reset", email: account.email });
    }
  });
  const waiting = async () =>
    (await h.ctx.pool.query<{ count: number }>("select count(*)::int as count from mails")).rows[0]?.count ??
    0;
  const mails = await waiting();
  await h.events();
  await tell(announced(id));
  expect(await leftOf(id)).toEqual([]);
  expect(await leftOf(stays.account.id)).toContain("auth.users");
  expect(mails - (await waiting())).toBe(2);
  expect((await h.guest().post("/v1/auth/refresh", { refreshToken: mine.tokens.refreshToken })).status).toBe(
    401,
  );
  expect((await h.signIn(gone)).status).toBe(401);
  expect((await other.api.get("/v1/auth/me")).status).toBe(200);
  expect(await h.redis.client.exists(`session:${mine.tokens.sessionId}`)).toBe(0);
  const events = (await h.events()).filter(({ subject }) => subject === "erasure/7");
  expect(events).toMatchObject([
    { type: "medvault.auth.patient.erased.v1", data: { details: { number: 7, accounts: 1 } } },
    { type: "medvault.auth.erasure.confirmed.v1", data: { details: { number: 7, keysFinalAt: null } } },
  ]);
});

test("told again it confirms again; where there was no account it confirms at once, with nothing to wait for", async () => {
  const { account } = await h.person("patient");
  await tell(announced(account.id));
  await h.events();
  await tell(announced(account.id), announced(null), announced(newId()));
  const confirmed = (await h.events()).map(({ data }) => data.details?.keysFinalAt);
  expect(confirmed).toEqual([null, expect.any(String), expect.any(String)]);
});

test("the account of someone who works here stays, though the chart was theirs", async () => {
  const person = await h.person("doctor");
  await tell(announced(person.account.id));
  expect((await h.signIn(person)).status).toBe(200);
});
