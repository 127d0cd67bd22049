import { watchStatements } from "@medvault/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Answer, createHarness, type Harness, PASSWORD } from "../../test/harness.ts";

// What takes the same time does the same work: hashes (28 ms each) and statements are counted,
// since a clock on a busy machine proves nothing. `npm run bench -- auth-timing` measures it.
let h: Harness;
let sent: ReturnType<typeof watchStatements>;
let hashes = 0;
beforeAll(async () => {
  h = await createHarness();
  sent = watchStatements();
  const { hash, verify } = h.ctx.hasher;
  Object.assign(h.ctx.hasher, {
    hash(password: string) {
      hashes++;
      return hash(password);
    },
    verify(kept: string | null, password: string) {
      hashes++;
      return verify(kept, password);
    },
  });
});
afterAll(async () => {
  sent?.stop();
  await h?.close();
});

/** What a call costs until its answer: hashes, and statements but for outbox and mails. */
async function workOf(call: () => Promise<{ status: number }>) {
  await h.events();
  sent.clear();
  hashes = 0;
  const { status } = await call();
  return {
    status,
    hashes,
    statements: sent.texts
      .map((text) => text.replace(/\s+/g, " "))
      .filter((text) => !/^(begin|commit)|outbox|\bmails\b/.test(text)),
  };
}
const login = (identifier: string, password: string) => () =>
  h.guest().post<Answer>("/v1/auth/login", { identifier, password });

test.each([
  ["username", "nobody-of-that-name", 1],
  // Twice: an address may have an owner and another account that claims it.
  ["email", "nobody-of-that-name@clinic.example", 2],
] as const)(
  "by %s an unknown name, a wrong password, a disabled and an invited account cost the same hashes and statements",
  async (by, nobody, cost) => {
    const known = await h.person("patient");
    const disabled = await h.person("patient", { disabled: true });
    const invited = await h.person("patient", { passwordHash: null, activated: false });
    const unknown = await workOf(login(nobody, PASSWORD));
    expect(unknown).toMatchObject({ status: 401, hashes: cost });
    expect(unknown.statements.length).toBeGreaterThan(3);
    for (const [person, password] of [
      [known, "Wrong-pass-word-9"],
      [disabled, PASSWORD],
      [disabled, "Wrong-pass-word-9"],
      [invited, PASSWORD],
    ] as const) {
      const other = await workOf(login(person.account[by], password));
      expect({ ...other, statements: other.statements.length }).toEqual({
        ...unknown,
        statements: unknown.statements.length,
      });
    }
  },
);

test("a forgotten password, and a registration, cost the same whether or not the address has an account", async () => {
  const { account } = await h.person("patient");
  // What the mail is, and whether there is one, is found out after the answer.
  const tasks = vi.spyOn(h.ctx.mails, "later").mockResolvedValue(undefined);
  const forgot = (email: string) => () => h.guest().post("/v1/auth/password/forgot", { email });
  const register = (username: string, email: string) => () =>
    h.guest().post("/v1/auth/register", { username, email, password: PASSWORD });
  try {
    const known = await workOf(forgot(account.email));
    expect(known).toMatchObject({ status: 202, hashes: 0 });
    expect(await workOf(forgot("nobody@clinic.example"))).toEqual(known);
    const fresh = await workOf(register("first-of-two", "fresh@clinic.example"));
    expect(fresh).toMatchObject({ status: 201, hashes: 1 });
    expect(await workOf(register("second-of-two", account.email))).toEqual(fresh);
    expect(tasks).toHaveBeenCalledTimes(4);
  } finally {
    tasks.mockRestore();
  }
});

test("the options of a sign-in by passkey look at nobody's account", async () => {
  const { account } = await h.person("doctor");
  const options = (identifier: string) => () =>
    h.guest().post("/v1/auth/passkeys/login/options", { identifier });
  const known = await workOf(options(account.username));
  expect(known.statements).toEqual([expect.stringContaining("insert into passkey_challenges")]);
  expect(await workOf(options("nobody-of-that-name"))).toEqual(known);
});
