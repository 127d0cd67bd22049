import { randomUUID } from "node:crypto";
import { type CloudEvent, LANGUAGES, newId, REMINDERS } from "@medvault/contracts";
import { inTransaction } from "@medvault/postgres";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { createHarness, type Harness, type Person } from "../../test/harness.ts";
import { takeReminders } from "./reminder.consumers.ts";
import { deleteReminders } from "./reminder.store.ts";

let h: Harness;
beforeAll(async () => {
  h = await createHarness();
  h.advance(nightOver());
});
afterAll(() => h?.close());
beforeEach(async () => {
  await h.ctx.pool.query("delete from mails");
  h.mails.length = 0;
  await h.events();
});

const HOUR_MS = 3_600_000;
/** Until it is ten in the morning, UTC. */
function nightOver(): number {
  const now = new Date();
  const ten = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1, 10);
  return ten - now.getTime();
}
const later = (hours: number) => new Date(h.ctx.now().getTime() + hours * HOUR_MS).toISOString();

function due(person: Person | null, details: object = {}, noun = "prescription.ending"): CloudEvent {
  const [kind = ""] = noun.split(".");
  return {
    type: `medvault.records.${noun}.v1`,
    subject: `${kind}/${newId()}`,
    data: {
      details: {
        reminder: randomUUID(),
        recipient: person?.account.id ?? null,
        notAfter: later(48),
        ...details,
      },
    },
  } as unknown as CloudEvent;
}
const take = (...events: CloudEvent[]) => inTransaction(h.ctx.pool, (tx) => takeReminders(h.ctx, events, tx));
const waiting = async () =>
  (await h.ctx.pool.query("select next_at, attempts from mails where parked_at is null")).rows;
const idle = () => expect.poll(waiting).toEqual([]);
/** Waits until everything in line waits for a moment to come. */
const asleep = () =>
  expect
    .poll(
      async () =>
        (await waiting()).filter(({ attempts, next_at }) => attempts > 0 || next_at <= h.ctx.now()).length,
    )
    .toBe(0);
const outcomes = async () =>
  (await h.events())
    .filter(({ type }) => type.startsWith("medvault.auth.reminder."))
    .map(({ type, data }) => [type.split(".")[3], data.decision.reason]);
const calledOff = (event: CloudEvent) => ({
  ...event,
  type: "medvault.records.prescription.called-off.v1",
  data: { ...event.data, details: { reminder: event.data.details?.reminder ?? "" } },
});

test("a reminder says that something ends, and nothing of what, of whom or when", async () => {
  const person = await h.person("patient", { name: "Ada Marsh" });
  await take(due(person));
  await idle();
  expect(h.mails).toHaveLength(1);
  const [mail] = h.mails;
  expect(mail).toMatchObject({ to: person.account.email, subject: "A reminder from MedVault" });
  expect(mail?.text).toMatch(
    /^Something in your MedVault ends soon\. Sign in to see what it is:\n\nhttps:\/\//,
  );
  expect(JSON.stringify(mail)).not.toMatch(/Ada|prescription|medication|appointment|doctor|20\d\d-/i);
  expect(await outcomes()).toEqual([["sent", "due"]]);
});

test("threat: the same announcement, delivered or made twice, mails somebody twice", async () => {
  const person = await h.person("patient");
  const event = due(person);
  await Promise.all([take(event), take(event)]);
  await idle();
  await take(event, event);
  await idle();
  expect(h.mails).toHaveLength(1);
  expect(await outcomes()).toHaveLength(1);
});

test("what is called off before it was sent is not sent; if it comes back, it is sent once", async () => {
  const person = await h.person("patient", { timeZone: "Asia/Tokyo" }); // where it is evening
  const event = due(person);
  await take(event);
  await asleep();
  await take(calledOff(event));
  expect(await waiting()).toEqual([]);
  await take(event);
  h.advance(14 * HOUR_MS);
  h.ctx.mails.wake();
  await idle();
  await take(calledOff(event), event);
  await idle();
  expect(h.mails).toHaveLength(1);
  h.advance(10 * HOUR_MS);
});

test("somebody is reminded in the daytime of their own time zone, and never when it is too late", async () => {
  const person = await h.person("patient", { timeZone: "America/Los_Angeles" });
  await take(due(person), due(person, { notAfter: later(3) }));
  await asleep();
  expect(h.mails).toEqual([]);
  expect(await outcomes()).toEqual([["skipped", "too_late"]]);
  const [row] = await waiting();
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: "America/Los_Angeles", timeStyle: "short" });
  expect(clock.format(row.next_at)).toBe("08:00");
  h.advance(24 * HOUR_MS);
  await take(due(await h.person("patient"), { notAfter: later(-1) }));
  await asleep();
  expect(await outcomes()).toEqual([["skipped", "too_late"]]);
});

test.each(LANGUAGES)("reminders of both kinds are written in %s", async (language) => {
  const person = await h.person("patient", { language });
  await take(due(person), due(person, {}, "appointment.coming"));
  await idle();
  const texts = h.mails.map(({ text }) => text);
  expect(new Set(texts).size).toBe(2);
  for (const text of texts) {
    expect(text.includes("Sign in to see")).toBe(language === "en");
    expect(text).toMatch(
      /\n\nhttps:\/\/medvault\.example\/\n\n[^\n]+:\n\nhttps:\/\/medvault\.example\/stop-reminders#token=/,
    );
  }
});

test("nobody is reminded who has no account, waits for an invitation, is disabled, or only claims an address", async () => {
  const people = [
    await h.person("patient", { disabled: true }),
    await h.person("patient", { activated: false }),
    await h.person("patient", { emailOwned: false }),
  ];
  await take(due(null), due({ account: { id: newId() } } as Person), ...people.map((one) => due(one)));
  await idle();
  expect(h.mails).toEqual([]);
  const reasons = (await outcomes()).map(([verb, reason]) => `${verb} ${reason}`).toSorted();
  expect(reasons).toEqual([...Array(3).fill("skipped no_account"), "skipped no_address"]);
});

test("by the link in a mail, or one click of a mail program, reminders of that kind alone stop, without signing in", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  await take(due(person), due(person, {}, "appointment.coming"));
  await idle();
  const [ending, coming] = ["ends", "comes up"].map((word) =>
    h.mails.find(({ text }) => text.includes(word)),
  );
  const token = /#token=([\w-]{44})\n/.exec(ending?.text ?? "")?.[1] ?? "";
  expect((await h.guest().post("/v1/auth/reminders/stop", { token })).status).toBe(204);
  const preferences = async () =>
    (await api.get<{ reminders: object }>("/v1/auth/preferences")).body.reminders;
  expect(await preferences()).toEqual({ prescriptions: false, appointments: true });
  const headers = coming?.headers ?? {};
  expect(headers["List-Unsubscribe-Post"]).toBe("List-Unsubscribe=One-Click");
  const url = new URL(
    /^<(https:\/\/medvault\.example\/[^>]+)>$/.exec(headers["List-Unsubscribe"] ?? "")?.[1] ?? "",
  );
  expect((await h.guest().get(url.pathname)).status).toBe(404); // what merely looks changes nothing
  expect(await preferences()).toEqual({ prescriptions: false, appointments: true });
  for (let again = 0; again < 2; again++) expect((await h.guest().post(url.pathname)).status).toBe(204);
  expect(await preferences()).toEqual({ prescriptions: false, appointments: false });
  h.mails.length = 0;
  await h.events();
  await take(due(person), due(person, {}, "appointment.coming"));
  await idle();
  expect(h.mails).toEqual([]);
  expect(await outcomes()).toEqual([
    ["skipped", "opted_out"],
    ["skipped", "opted_out"],
  ]);
});

test("threat: a token is made up, of another account, of another kind, or of another purpose", async () => {
  const [person, other] = [await h.person("patient"), await h.person("patient")];
  await take(due(person));
  await idle();
  const token = /#token=([\w-]{44})\n/.exec(h.mails[0]?.text ?? "")?.[1] ?? "";
  const bytes = Buffer.from(token, "base64url");
  const forged = REMINDERS.map((_, kind) => {
    const copy = Buffer.from(bytes);
    copy[0] = kind + 1;
    return copy.toString("base64url");
  });
  const ofOther = Buffer.from(bytes);
  Buffer.from(other.account.id.replaceAll("-", ""), "hex").copy(ofOther, 1);
  for (const tried of [...forged, ofOther.toString("base64url"), "A".repeat(44), `${token.slice(0, 43)}~`]) {
    const answers = [
      await h.guest().post<{ code: string }>("/v1/auth/reminders/stop", { token: tried }),
      await h.guest().post<{ code: string }>(`/v1/auth/reminders/stop/${tried}`),
    ];
    for (const { status } of answers) expect(status).toBe(400);
  }
  expect(
    (await h.guest().post("/v1/auth/password/reset", { token, newPassword: "Qz9!new-and-different" })).status,
  ).toBe(400);
  expect((await h.guest().post("/v1/auth/email/verify", { token })).status).toBe(400);
  for (const { account } of [person, other]) {
    const { rows } = await h.ctx.pool.query("select rev from users where id = $1", [account.id]);
    expect(rows).toEqual([{ rev: 1 }]);
  }
  const dumped = await h.ctx.pool.query("select m::text from mails m");
  expect(JSON.stringify([dumped.rows, await h.events()])).not.toContain(token);
});

test("what is no announcement of records' is thrown, and nothing is put in line", async () => {
  const person = await h.person("patient");
  for (const details of [{ reminder: "1" }, { recipient: "somebody" }, { notAfter: "tomorrow" }])
    await expect(take(due(person), due(person, details))).rejects.toThrow();
  await expect(take(due(person, {}, "prescription.created"))).rejects.toThrow();
  expect(await waiting()).toEqual([]);
  await deleteReminders(h.ctx.pool, new Date(h.ctx.now().getTime() + 1));
  expect((await h.ctx.pool.query("select from reminders")).rowCount).toBe(0);
});
