import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD, type Person } from "../../test/harness.ts";
import { settleAddresses } from "./address.service.ts";

// An admin, or whoever took an admin's session, could give a patient's account an address of their
// own and reset the password there, and the patient would hear nothing.
let h: Harness;
let admin: Awaited<ReturnType<Harness["client"]>>["api"];
beforeAll(async () => {
  h = await createHarness();
});
beforeEach(async () => {
  admin = (await h.client(await h.person("admin"))).api;
});
afterAll(() => h.close());

const HOUR_MS = 3600_000;
const NEW = "Qz9!new-and-different";
let count = 0;
const freshAddress = () => `given-${++count}@home.example`;
const idle = () =>
  expect
    .poll(async () => (await h.ctx.pool.query("select from mails where parked_at is null")).rowCount)
    .toBe(0);
async function mailsTo(email: string) {
  await idle();
  return h.mails.filter((mail) => mail.to === email);
}
const subjectsTo = async (email: string) => (await mailsTo(email)).map(({ subject }) => subject).sort();
/** The token of the newest link to this page that was mailed to this address. */
async function linkTo(email: string, page: string): Promise<string> {
  const found = (await mailsTo(email)).map(({ text }) =>
    new RegExp(`https://medvault\\.example/${page}#token=([\\w-]{43})`).exec(text),
  );
  return found.findLast((match) => match !== null)?.[1] ?? "none";
}
const give = ({ account }: Person, email: string) =>
  admin.patch<Answer>(`/v1/users/${account.id}`, { email });
const confirm = (token: string) => h.guest().post<Answer>("/v1/auth/email/verify", { token });
const object = (token: string) => h.guest().post<Answer>("/v1/auth/email/object", { token });
const addressOf = async ({ account }: Person) =>
  (await admin.get<Answer>(`/v1/users/${account.id}`)).body.email;
const login = (identifier: string, password = PASSWORD) =>
  h.guest().post<Answer>("/v1/auth/login", { identifier, password });
async function resetAt(email: string, newPassword = NEW) {
  await h.guest().post("/v1/auth/password/forgot", { email });
  const token = await linkTo(email, "reset-password");
  return h.guest().post<Answer>("/v1/auth/password/reset", { token, newPassword });
}

test("an address that an admin gives takes nothing over before it is confirmed: sign-in and resets stay at the old one, which is told", async () => {
  const person = await h.person("patient");
  const { email: old } = person.account;
  const given = freshAddress();
  await h.events();
  expect(await give(person, given)).toMatchObject({
    status: 200,
    body: {
      email: old,
      pendingEmail: given,
      pendingUntil: new Date(h.ctx.now().getTime() + 72 * HOUR_MS).toISOString(),
    },
  });
  expect(await subjectsTo(old)).toEqual(["The address of your MedVault account is to be changed"]);
  expect(await subjectsTo(given)).toEqual(["Confirm your address"]);
  expect((await resetAt(given)).status).toBe(400);
  expect((await login(given)).status).toBe(401);
  expect((await resetAt(old)).status).toBe(204);
  expect((await login(old, NEW)).status).toBe(200);

  // The change waits on, whoever signs in meanwhile.
  const link = await linkTo(given, "confirm-address");
  expect((await confirm(link)).status).toBe(204);
  expect(await addressOf(person)).toBe(given);
  expect((await login(given, NEW)).status).toBe(200);
  expect((await login(old, NEW)).status).toBe(401);
  expect(await subjectsTo(old)).toContain("The address of your MedVault account was changed");
  expect(await subjectsTo(given)).toContain("This is the address of your MedVault account");
  expect((await confirm(link)).body.code).toBe("token_invalid");

  const events = JSON.stringify(await h.events());
  for (const secret of [old, given, link, await linkTo(old, "keep-address")])
    expect(events).not.toContain(secret);
});

test("the old address objects by its mailed link, once, and the new one's link is dead", async () => {
  const person = await h.person("patient");
  const { email: old } = person.account;
  const given = freshAddress();
  await give(person, given);
  const [objection, confirmation] = [
    await linkTo(old, "keep-address"),
    await linkTo(given, "confirm-address"),
  ];
  await h.events();
  expect((await object(objection)).status).toBe(204);
  expect((await h.events()).map((e) => [e.type, e.subject, e.data.decision.reason])).toEqual([
    ["medvault.auth.user.changed.v1", `user/${person.account.id}`, "address_objected"],
  ]);
  for (const answer of [await object(objection), await confirm(confirmation)]) {
    expect([answer.status, answer.body.code]).toEqual([400, "token_invalid"]);
  }
  h.advance(73 * HOUR_MS);
  await settleAddresses(h.ctx);
  admin = (await h.client(await h.person("admin"))).api;
  expect(await admin.get(`/v1/users/${person.account.id}`)).toMatchObject({
    body: { email: old, pendingEmail: null, pendingUntil: null },
  });
  expect(await subjectsTo(old)).toContain("Your MedVault account keeps its address");
});

test("where nobody objects in time the new address takes effect, and both are told; not a moment before", async () => {
  const person = await h.person("patient");
  const { email: old } = person.account;
  const given = freshAddress();
  await give(person, given);
  const objection = await linkTo(old, "keep-address");
  await h.guest().post("/v1/auth/password/forgot", { email: old });
  const ofOld = await linkTo(old, "reset-password");
  h.advance(72 * HOUR_MS - 1);
  await settleAddresses(h.ctx);
  expect((await login(old)).status).toBe(200);
  h.advance(1);
  await settleAddresses(h.ctx);
  expect((await login(given)).status).toBe(200);
  expect(await subjectsTo(old)).toContain("The address of your MedVault account was changed");
  expect(await subjectsTo(given)).toContain("This is the address of your MedVault account");
  expect((await object(objection)).status).toBe(400);
  const late = await h.guest().post("/v1/auth/password/reset", { token: ofOld, newPassword: NEW });
  expect(late.status).toBe(400);
});

test("of an objection and confirmations at once one wins, whichever", async () => {
  for (let i = 0; i < 5; i++) {
    const person = await h.person("patient");
    const given = freshAddress();
    await give(person, given);
    const keep = await linkTo(person.account.email, "keep-address");
    const take = await linkTo(given, "confirm-address");
    const answers = await Promise.all([object(keep), confirm(take), confirm(take), object(keep)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 400, 400, 400]);
    const objected = answers[0].status === 204 || answers[3].status === 204;
    expect(await addressOf(person)).toBe(objected ? person.account.email : given);
  }
});

test("a link of one kind is none of another", async () => {
  const person = await h.person("patient");
  const given = freshAddress();
  await give(person, given);
  const keep = await linkTo(person.account.email, "keep-address");
  const take = await linkTo(given, "confirm-address");
  const reset = (token: string) => h.guest().post("/v1/auth/password/reset", { token, newPassword: NEW });
  for (const answer of [confirm(keep), object(take), reset(keep), reset(take)]) {
    expect((await answer).status).toBe(400);
  }
  expect((await object("A".repeat(43))).status).toBe(400);
  expect((await object(keep)).status).toBe(204); // none was used up by it
});

test("a later change, and the present address given again, void what was mailed before", async () => {
  const person = await h.person("patient");
  const [first, second] = [freshAddress(), freshAddress()];
  await give(person, first);
  const [keepFirst, takeFirst] = [
    await linkTo(person.account.email, "keep-address"),
    await linkTo(first, "confirm-address"),
  ];
  await give(person, second);
  expect((await confirm(takeFirst)).status).toBe(400);
  expect((await object(keepFirst)).status).toBe(400);
  const takeSecond = await linkTo(second, "confirm-address");
  expect((await give(person, person.account.email.toUpperCase())).body).toMatchObject({ pendingEmail: null });
  expect((await confirm(takeSecond)).status).toBe(400);
  expect(await addressOf(person)).toBe(person.account.email);

  // One's own change, too, takes the place of the admin's.
  await give(person, first);
  const takeAgain = await linkTo(first, "confirm-address");
  const { api } = await h.client(person);
  const own = freshAddress();
  await api.patch("/v1/auth/me", { email: own });
  expect((await confirm(takeAgain)).status).toBe(400);
  h.advance(73 * HOUR_MS);
  await settleAddresses(h.ctx);
  expect((await login(person.account.email)).status).toBe(200);
});

test("an address that another account has by then is not taken from it, confirmed or not objected to", async () => {
  const [one, two] = [await h.person("patient"), await h.person("patient")];
  const given = freshAddress();
  await give(one, given);
  await give(two, given);
  const take = await linkTo(given, "confirm-address");
  const other = await h.person("patient", { email: given });
  expect((await give(one, given)).body.code).toBe("email_taken");
  expect((await confirm(take)).status).toBe(400);
  h.advance(73 * HOUR_MS);
  await settleAddresses(h.ctx);
  admin = (await h.client(await h.person("admin"))).api;
  expect(await addressOf(one)).toBe(one.account.email);
  expect(await addressOf(two)).toBe(two.account.email);
  expect(await addressOf(other)).toBe(given);
  expect(await subjectsTo(one.account.email)).toContain("Your MedVault account keeps its address");
});

test("time alone takes an address from nobody, shown to be theirs or not; its link does", async () => {
  const [one, two] = [await h.person("patient"), await h.person("patient")];
  const [first, second] = [freshAddress(), freshAddress()];
  const register = (email: string) =>
    h.guest().post("/v1/auth/register", { username: `unshown-${++count}`, email, password: NEW });
  for (const email of [first, second]) expect((await register(email)).status).toBe(201);
  for (const [person, email] of [
    [one, first],
    [two, second],
  ] as const) {
    expect((await give(person, email)).status).toBe(200);
  }
  expect((await confirm(await linkTo(first, "confirm-address"))).status).toBe(204);
  h.advance(73 * HOUR_MS);
  await settleAddresses(h.ctx);
  admin = (await h.client(await h.person("admin"))).api;
  expect([await addressOf(one), await addressOf(two)]).toEqual([first, two.account.email]);
});

test("a disabled account takes no new address by its link, and may still object", async () => {
  const person = await h.person("patient");
  const given = freshAddress();
  await give(person, given);
  await admin.patch(`/v1/users/${person.account.id}`, { disabled: true });
  expect((await confirm(await linkTo(given, "confirm-address"))).status).toBe(400);
  expect((await object(await linkTo(person.account.email, "keep-address"))).status).toBe(204);
});

test("the operator says how long an address may object", async () => {
  const { addressObjectionMs } = h.ctx.settings;
  h.ctx.settings.addressObjectionMs = HOUR_MS;
  const person = await h.person("patient");
  const given = freshAddress();
  await give(person, given);
  h.ctx.settings.addressObjectionMs = addressObjectionMs;
  h.advance(HOUR_MS);
  expect((await object(await linkTo(person.account.email, "keep-address"))).status).toBe(400);
  await settleAddresses(h.ctx);
  expect((await login(given)).status).toBe(200);
});

test("an invitation that nobody accepted goes to the new address at once, and the old one's is void", async () => {
  const [wrong, right] = [freshAddress(), freshAddress()];
  const made = await admin.post<Answer>("/v1/users", {
    username: `mistyped-${count}`,
    email: wrong,
    role: "patient",
  });
  const first = await linkTo(wrong, "invitation");
  const user = `/v1/users/${made.body.id}`;
  expect((await admin.patch(user, { email: right })).body).toMatchObject({
    email: right,
    pendingEmail: null,
  });
  const accept = (token: string) => h.guest().post("/v1/auth/password/reset", { token, newPassword: NEW });
  expect((await accept(first)).status).toBe(400);
  expect((await accept(await linkTo(right, "invitation"))).status).toBe(204);
  expect(await subjectsTo(wrong)).toContain("The address of your MedVault account was changed");
});

test("a new password calls off a change of address that somebody else asked for in one's name", async () => {
  const person = await h.person("patient");
  const { api } = await h.client(person);
  const taken = freshAddress();
  expect((await api.patch("/v1/auth/me", { email: taken })).status).toBe(200);
  const link = await linkTo(taken, "confirm-address");
  expect((await resetAt(person.account.email)).status).toBe(204);
  expect((await confirm(link)).status).toBe(400);
  expect(await addressOf(person)).toBe(person.account.email);
});
