import { randomUUID } from "node:crypto";
import { type CloudEvent, newId } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import { loadConfig } from "@medvault/service-kit";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createHarness, type Harness } from "../../test/harness.ts";
import { saveAccount } from "../accounts/account.store.ts";
import { AuthConfig } from "../config.ts";
import { mailAlerts } from "./alert-mail.consumers.ts";

let h: Harness;
let byDefault: Harness["ctx"]["settings"];
beforeAll(async () => {
  h = await createHarness();
  byDefault = h.ctx.settings;
});
afterAll(() => h?.close());
beforeEach(async () => {
  await idle();
  h.mails.length = 0;
  h.ctx.settings = byDefault;
  h.advance(2 * 3600_000); // past the hour in which mails of alerts are counted
});

const idle = () =>
  expect
    .poll(async () => (await h.ctx.pool.query("select from mails where parked_at is null")).rowCount)
    .toBe(0);
function announced(details: object = {}): CloudEvent & { subject: string } {
  return {
    type: "medvault.audit.alert.announced.v1",
    subject: `alert/${newId()}`,
    data: {
      details: {
        ...{ change: "opened", rule: "failed_sign_ins", severity: "high", state: "open", count: 5 },
        openedAt: "2026-11-28T10:00:00.000Z",
        ...details,
      },
    },
  } as unknown as CloudEvent;
}
const take = (...events: CloudEvent[]) => inTransaction(h.ctx.pool, (tx) => mailAlerts(h.ctx, events, tx));

test("an alert is mailed to everyone who may see it, and to nobody else, with codes alone", async () => {
  const [auditor, admin] = [await h.person("auditor"), await h.person("admin")];
  await h.person("doctor");
  await h.person("patient");
  await h.person("admin", { disabled: true });
  await h.person("auditor", { activated: false, passwordHash: null });
  await h.person("auditor", { emailOwned: false });
  const event = announced();
  await take(event);
  await idle();
  expect(h.mails.map(({ to }) => to).sort()).toEqual([admin.account.email, auditor.account.email]);
  const [mail] = h.mails;
  expect(mail?.subject).toBe("MedVault alert (high): failed sign ins");
  expect(mail?.text).toContain(event.subject.replace("alert/", ""));
  expect(mail?.text).not.toMatch(/https?:/);
});

test("addresses of the setting are mailed in their place, and with `off` nobody is", async () => {
  h.ctx.settings = { ...byDefault, alertMailsTo: ["soc@clinic.example", "pager@clinic.example"] };
  await take(announced());
  await idle();
  expect(h.mails.map(({ to }) => to).sort()).toEqual(["pager@clinic.example", "soc@clinic.example"]);
  h.mails.length = 0;
  h.ctx.settings = { ...byDefault, alertMailsTo: [] };
  await take(announced());
  await idle();
  expect(h.mails).toEqual([]);
});

test("what people change of an alert is not mailed; a test is, and says that nothing happened", async () => {
  h.ctx.settings = { ...byDefault, alertMailsTo: ["soc@clinic.example"] };
  await take(announced({ change: "changed", state: "closed" }), announced({ change: "test", rule: "test" }));
  await idle();
  expect(h.mails.map(({ subject }) => subject)).toEqual(["MedVault: a test of alerts"]);
  expect(h.mails[0]?.text).toContain("Nothing happened");
});

test("threat: someone who sets off alerts without end fills no mailbox: 60 mails an hour to each", async () => {
  h.ctx.settings = { ...byDefault, alertMailsTo: ["soc@clinic.example"] };
  await take(...Array.from({ length: 70 }, () => announced()));
  await idle();
  expect(h.mails).toHaveLength(60);
});

test("whoever may no longer sign in when the mail goes gets none", async () => {
  const auditor = await h.person("auditor");
  await inTransaction(h.ctx.pool, async (tx) => {
    await mailAlerts(h.ctx, [announced()], tx);
    await saveAccount(tx, h.ctx, { ...auditor.account, disabled: true }, h.ctx.now());
  });
  await idle();
  expect(h.mails.map(({ to }) => to)).not.toContain(auditor.account.email);
});

test("an event that is no announcement is refused, and nothing is mailed", async () => {
  await expect(take(announced({ severity: 7 }))).rejects.toThrow();
  await expect(take({ ...announced(), subject: `user/${randomUUID()}` })).rejects.toThrow();
  await idle();
  expect(h.mails).toEqual([]);
});

test("recipients that are no addresses stop the start", () => {
  for (const MEDVAULT_ALERT_MAIL_TO of ["soc", "soc@clinic.example;x@clinic.example", "a@b.example,,"])
    expect(() => loadConfig(AuthConfig, { NODE_ENV: "test", MEDVAULT_ALERT_MAIL_TO })).toThrow(
      /MEDVAULT_ALERT_MAIL_TO/,
    );
});
