import { authRoutes } from "@medvault/contracts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD, type Person } from "../../test/harness.ts";
import { type Creation, type Request, SoftAuthenticator } from "../../test/soft-authenticator.ts";
import { findAccount } from "../accounts/account.store.ts";
import { settleAddresses } from "../addresses/address.service.ts";
import { listPasskeys } from "../passkeys/passkey.store.ts";

// Who changes how an account is signed in to, or found back into, is heard of at every address
// concerned. Each route that writes stands in one of the two lists below: a new one fails until
// it does.
let h: Harness;
beforeAll(async () => {
  h = await createHarness();
});
afterAll(() => h.close());

const NEW = "Qz9!new-and-different";
const FACTORS = "How you sign in to MedVault was changed";
const WAITING = 72 * 3600_000;
type Aspect = "address" | "asked" | "waiting" | "username" | "password" | "factors";

/** What changed, by what lies in the tables, and whom a mail must have told of it. */
const TOLD: Readonly<Record<Aspect, (b: State, a: State) => [to: string, subject: string][]>> = {
  address: (before, after) => [
    [before.email, "The address of your MedVault account was changed"],
    [after.email, "This is the address of your MedVault account"],
  ],
  asked: ({ email }, after) =>
    after.asks === null
      ? []
      : [
          [email, "Another address was asked for your MedVault account"],
          [after.asks, "Confirm your address"],
        ],
  waiting: ({ email, waits }, after) =>
    waits === null
      ? [
          [email, "The address of your MedVault account is to be changed"],
          [after.waits ?? "", "Confirm your address"],
        ]
      : after.email === email
        ? [[email, "Your MedVault account keeps its address"]]
        : [],
  username: ({ email }) => [[email, "Your MedVault user name was changed"]],
  password: ({ email }) => [[email, "Your MedVault password was changed"]],
  factors: ({ email, password }, after) => [
    [email, password === after.password ? FACTORS : "Your MedVault password was changed"],
  ],
};

type State = Awaited<ReturnType<typeof stateOf>>;
async function stateOf({ account: { id } }: Person) {
  const account = await findAccount(h.ctx.pool, h.ctx, id);
  const codes = await h.ctx.pool.query(
    "select code_token from recovery_codes where user_id = $1 order by 1",
    [id],
  );
  const passkeys = await listPasskeys(h.ctx.pool, h.keyring, id);
  return {
    email: account?.email ?? "",
    asks: account?.pendingUntil === null ? account.pendingEmail : null,
    waits: account?.pendingUntil ? account.pendingEmail : null,
    username: account?.username,
    password: account?.passwordHash,
    factors: JSON.stringify([
      ...[account?.mfaEnabled, account?.totpSecret],
      ...passkeys.map(({ id, suspended }) => [id, suspended]),
      ...codes.rows.map((row: { code_token: Buffer }) => row.code_token.toString("hex")),
    ]),
  };
}

interface Case {
  changes: Aspect[];
  /** Who is changed, and what changes them. */
  run(): Promise<[Person, () => Promise<unknown>]>;
}
const signedIn = async (person: Person) => (await h.client(person)).api;
const asAdmin = async () => signedIn(await h.person("admin"));
const patient = () => h.person("patient");
let count = 0;
const fresh = () => `told-${++count}@home.example`;
const idle = () =>
  expect
    .poll(async () => (await h.ctx.pool.query("select from mails where parked_at is null")).rowCount)
    .toBe(0);
async function linkTo(email: string, page: string): Promise<string> {
  await idle();
  const found = h.mails
    .filter((mail) => mail.to === email)
    .map(({ text }) => new RegExp(`/${page}#token=([\\w-]{43})`).exec(text));
  return found.findLast((match) => match !== null)?.[1] ?? "none";
}
async function addPasskey(person: Person) {
  const api = await signedIn(person);
  const authenticator = new SoftAuthenticator("https://medvault.example");
  const options = (await api.post<Creation>("/v1/auth/passkeys/register/options")).body;
  const made = authenticator.create(options);
  const { body } = await api.post<Answer>("/v1/auth/passkeys/register/verify", made);
  return { api, authenticator, id: String(body.id), codes: body.recoveryCodes as string[] };
}
/** A patient with an authenticator app; the code of the next step is good. */
async function withTotp() {
  const person = await patient();
  const api = await signedIn(person);
  const { secret } = (await api.post<{ secret: string }>("/v1/auth/mfa/setup")).body;
  const enrolled = { ...person, totpSecret: secret };
  await api.post("/v1/auth/mfa/verify", { code: h.code(enrolled) });
  return { person: enrolled, api, proof: () => ({ password: PASSWORD, code: h.code(enrolled, 1) }) };
}
async function withResetLink(person: Person) {
  await h.guest().post("/v1/auth/password/forgot", { email: person.account.email });
  return linkTo(person.account.email, "reset-password");
}
/** A patient to whom an admin gave another address. */
async function waiting() {
  const person = await patient();
  const given = fresh();
  await (await asAdmin()).patch(`/v1/users/${person.account.id}`, { email: given });
  return { person, given };
}
const loginBody = (person: Person, password = PASSWORD) => ({
  identifier: person.account.username,
  password,
});

const CASES: Readonly<Record<string, Case | Case[]>> = {
  "PATCH /v1/auth/me": [
    {
      changes: ["username"],
      async run() {
        const person = await patient();
        const api = await signedIn(person);
        return [person, () => api.patch("/v1/auth/me", { username: `told-${++count}` })];
      },
    },
    {
      changes: ["asked"],
      async run() {
        const person = await patient();
        const api = await signedIn(person);
        return [person, () => api.patch("/v1/auth/me", { email: fresh() })];
      },
    },
  ],
  "POST /v1/auth/email/verify": [
    {
      changes: ["address", "asked"],
      async run() {
        const [person, email] = [await patient(), fresh()];
        await (await signedIn(person)).patch("/v1/auth/me", { email });
        const token = await linkTo(email, "confirm-address");
        return [person, () => h.guest().post("/v1/auth/email/verify", { token })];
      },
    },
    {
      changes: ["address", "waiting"],
      async run() {
        const { person, given } = await waiting();
        const token = await linkTo(given, "confirm-address");
        return [person, () => h.guest().post("/v1/auth/email/verify", { token })];
      },
    },
  ],
  "POST /v1/auth/email/object": {
    changes: ["waiting"],
    async run() {
      const { person } = await waiting();
      const token = await linkTo(person.account.email, "keep-address");
      return [person, () => h.guest().post("/v1/auth/email/object", { token })];
    },
  },
  "POST /v1/auth/password/change": {
    changes: ["password"],
    async run() {
      const person = await patient();
      const api = await signedIn(person);
      const change = { currentPassword: PASSWORD, newPassword: NEW };
      return [person, () => api.post("/v1/auth/password/change", change)];
    },
  },
  "POST /v1/auth/password/reset": {
    changes: ["password", "factors"],
    async run() {
      const person = await patient();
      await addPasskey(person);
      const token = await withResetLink(person);
      return [person, () => h.guest().post("/v1/auth/password/reset", { token, newPassword: NEW })];
    },
  },
  "POST /v1/auth/mfa/verify": {
    changes: ["factors"],
    async run() {
      const person = await patient();
      const api = await signedIn(person);
      const { secret } = (await api.post<{ secret: string }>("/v1/auth/mfa/setup")).body;
      return [
        person,
        () => api.post("/v1/auth/mfa/verify", { code: h.code({ ...person, totpSecret: secret }) }),
      ];
    },
  },
  "POST /v1/auth/mfa/disable": {
    changes: ["factors"],
    async run() {
      const { person, api, proof } = await withTotp();
      return [person, () => api.post("/v1/auth/mfa/disable", proof())];
    },
  },
  "POST /v1/auth/mfa/recovery-codes": {
    changes: ["factors"],
    async run() {
      const { person, api, proof } = await withTotp();
      return [person, () => api.post("/v1/auth/mfa/recovery-codes", proof())];
    },
  },
  "POST /v1/auth/mfa/challenge": [
    {
      changes: ["factors"],
      async run() {
        const person = await patient();
        const { codes } = await addPasskey(person);
        const { mfaToken } = (await h.guest().post<Answer>("/v1/auth/login", loginBody(person))).body;
        return [person, () => h.guest().post("/v1/auth/mfa/challenge", { mfaToken, code: codes[0] })];
      },
    },
    {
      changes: ["factors"], // a passkey that a reset had suspended
      async run() {
        const person = await patient();
        const { authenticator } = await addPasskey(person);
        const token = await withResetLink(person);
        await h.guest().post("/v1/auth/password/reset", { token, newPassword: NEW });
        const { mfaToken } = (await h.guest().post<Answer>("/v1/auth/login", loginBody(person, NEW))).body;
        const options = await h.guest().post<Request>("/v1/auth/passkeys/login/options", { mfaToken });
        const passkey = authenticator.get(options.body);
        return [person, () => h.guest().post("/v1/auth/mfa/challenge", { mfaToken, passkey })];
      },
    },
  ],
  "POST /v1/auth/step-up": {
    changes: ["factors"],
    async run() {
      const person = await patient();
      const { api, codes } = await addPasskey(person);
      return [person, () => api.post("/v1/auth/step-up", { password: PASSWORD, code: codes[0] })];
    },
  },
  "POST /v1/auth/passkeys/register/verify": {
    changes: ["factors"],
    async run() {
      const person = await patient();
      const api = await signedIn(person);
      const options = (await api.post<Creation>("/v1/auth/passkeys/register/options")).body;
      const made = new SoftAuthenticator("https://medvault.example").create(options);
      return [person, () => api.post("/v1/auth/passkeys/register/verify", made)];
    },
  },
  "DELETE /v1/auth/passkeys/{id}": {
    changes: ["factors"],
    async run() {
      const person = await patient();
      const { api, id } = await addPasskey(person);
      return [person, () => api.delete(`/v1/auth/passkeys/${id}`)];
    },
  },
  "PATCH /v1/users/{id}": [
    { changes: ["username"], run: () => patched({ username: `told-${++count}` }) },
    { changes: ["waiting"], run: () => patched({ email: fresh() }) },
    { changes: ["username", "waiting"], run: () => patched({ username: `told-${++count}`, email: fresh() }) },
  ],
  "DELETE /v1/users/{id}/factors/{factor}": {
    changes: ["factors"],
    async run() {
      const [{ person }, admin] = [await withTotp(), await asAdmin()];
      return [person, () => admin.delete(`/v1/users/${person.account.id}/factors/totp`)];
    },
  },
  "the job settle-addresses": {
    changes: ["address", "waiting"],
    async run() {
      const { person } = await waiting();
      h.advance(WAITING);
      return [person, () => settleAddresses(h.ctx)];
    },
  },
};
async function patched(body: object): Promise<[Person, () => Promise<unknown>]> {
  const [person, admin] = [await patient(), await asAdmin()];
  return [person, () => admin.patch(`/v1/users/${person.account.id}`, body)];
}

/** What else writes, and why nobody's address, name, password or factor is another by it. */
const QUIET: Readonly<Record<string, string>> = {
  "POST /v1/auth/register": "a new account, which gets a mail of its own (registration.test.ts)",
  "POST /v1/auth/login": "begins a session; a hash that is made again is of the same password",
  "POST /v1/auth/refresh": "goes on with a session",
  "POST /v1/auth/logout": "ends a session",
  "POST /v1/auth/mfa/setup": "a secret that counts once it is verified",
  "POST /v1/auth/passkeys/register/options": "a challenge",
  "POST /v1/auth/passkeys/login/options": "a challenge",
  "POST /v1/auth/passkeys/login/verify": "begins a session",
  "POST /v1/auth/passkeys/step-up/options": "a challenge",
  "PATCH /v1/auth/passkeys/{id}": "what its owner calls it",
  "POST /v1/auth/password/forgot": "mails a link, to the account's address alone",
  "POST /v1/auth/password/strength": "writes nothing",
  "POST /v1/directory/search": "writes nothing",
  "POST /v1/auth/calendar-feeds": "a link that shows times alone",
  "DELETE /v1/auth/calendar-feeds/{id}": "ends a link",
  "PATCH /v1/auth/preferences": "how its person is reminded",
  "POST /v1/auth/reminders/stop": "ends reminders of a kind",
  "POST /v1/auth/reminders/stop/{token}": "ends reminders of a kind",
  "DELETE /v1/auth/sessions": "ends sessions",
  "DELETE /v1/auth/sessions/{id}": "ends a session",
  "POST /v1/users": "a new account, which gets its invitation (user.test.ts)",
  "DELETE /v1/users/{id}": "nothing is left to sign in to",
  "POST /v1/users/{id}/unlock": "lifts lockouts",
  "DELETE /v1/users/{id}/sessions": "ends sessions",
  "PATCH /v1/users/{id}/session-settings": "how many sessions there may be",
  "PUT /v1/roles/{role}/permissions": "what a role may do",
};

test("every route that writes is one that tells, or is known to have nothing to tell", () => {
  const writing = authRoutes
    .filter(({ method }) => method !== "GET")
    .map(({ method, path }) => `${method} ${path}`);
  const listed = [...Object.keys(CASES), ...Object.keys(QUIET)].filter(
    (name) => !name.startsWith("the job "),
  );
  expect(listed.sort()).toEqual(writing.sort());
});

test.each(
  Object.entries(CASES).flatMap(([name, cases]) =>
    [cases].flat().map(({ changes, run }) => [name, changes, run] as const),
  ),
)("%s changes %j, and every address concerned is told", async (_name, changes, run) => {
  const [person, act] = await run();
  await idle();
  const before = await stateOf(person);
  const mailed = h.mails.length;
  await act();
  await idle();
  const after = await stateOf(person);
  const fields = {
    address: "email",
    asked: "asks",
    waiting: "waits",
    username: "username",
    password: "password",
    factors: "factors",
  };
  const changed = (Object.keys(fields) as Aspect[]).filter((aspect) => {
    const field = fields[aspect] as keyof State;
    return before[field] !== after[field];
  });
  expect(changed.sort()).toEqual([...changes].sort());
  const mails = h.mails.slice(mailed).map(({ to, subject }) => `${to}: ${subject}`);
  for (const [to, subject] of changes.flatMap((aspect) => TOLD[aspect](before, after))) {
    expect(mails).toContain(`${to}: ${subject}`);
  }
});
