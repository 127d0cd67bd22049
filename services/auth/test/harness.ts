import { type Actor, newId } from "@medvault/contracts";
import { type Keyring, tableKey } from "@medvault/keys";
import { connectRedis } from "@medvault/runtime";
import {
  actor,
  createTestRedis,
  signedIn,
  startTestService,
  type TestAnswer,
  type TestClient,
  type TestDatabase,
  type TestRedis,
  type TestService,
} from "@medvault/testing";
import type { Redis } from "ioredis";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { generateSync } from "otplib";
import { insertAccount } from "../src/accounts/account.store.ts";
import { type Account, newAccount } from "../src/accounts/account.ts";
import type { AuthContext } from "../src/context.ts";
import type { Mail } from "../src/mail/mail.ts";
import { createMailQueue } from "../src/mail/mail-queue.service.ts";
import { newTotpSecret } from "../src/mfa/totp.ts";
import { composeTask, taskSent } from "../src/reminders/reminder.service.ts";
import { service } from "../src/service.ts";
import { ACCESS_TOKEN_AUDIENCE } from "../src/signing-keys/access-token-signer.service.ts";
import { publicJwks } from "../src/signing-keys/signing-key.service.ts";

export const PASSWORD = "Vf7#kaleidoscope-Mq";

export interface Answer {
  accessToken: string;
  refreshToken: string;
  sessionId: string;
  scope: string;
  mfaToken: string;
  mfaRequired?: boolean;
  mfaEnrollmentRequired?: boolean;
  code: string;
  [more: string]: unknown;
}

/** The settings of a test, whatever it adds. */
export const ENV = {
  REDIS_URL: "redis://not-used.invalid",
  MEDVAULT_PUBLIC_URL: "https://medvault.example",
  MEDVAULT_MAIL_DIR: "/not-used",
  MEDVAULT_HASHES_AT_ONCE: "4",
  // Nobody is there: a patient then learns no name.
  MEDVAULT_RECORDS_URL: "http://127.0.0.1:1",
  MEDVAULT_AUDIT_URL: "http://127.0.0.1:1",
};

export interface Person {
  account: Account;
  password: string;
  totpSecret: string | null;
}

export interface Harness {
  ctx: AuthContext;
  app: TestService<AuthContext>["app"];
  db: TestDatabase;
  redis: TestRedis;
  /** The service's own connection. */
  connection: Redis;
  keyring: Keyring;
  mails: Mail[];
  /** Moves the service's clock, which stands still: no test meets the edge of a TOTP step. */
  advance(ms: number): void;
  guest(overrides?: Partial<Pick<Actor, "ip" | "userAgent">>): TestClient;
  /** A client as the gateway lets one through, by what the verified access token says. */
  withToken(token: string, overrides?: Partial<Actor>): Promise<TestClient>;
  person(role: Account["role"], overrides?: Partial<Account>): Promise<Person>;
  /** The present TOTP code, `steps` ahead. */
  code(person: Person, steps?: number): string;
  /** Six digits that are no code of theirs now, nor of a neighbour step. */
  wrongCode(person: Pick<Person, "totpSecret">): string;
  /** Signs in as far as it goes; the answer of the last call. */
  signIn(person: Person, client?: TestClient): Promise<TestAnswer<Answer>>;
  /** As `signIn`, and a client with its tokens. */
  client(person: Person): Promise<{ tokens: Answer; api: TestClient }>;
  events: TestService<AuthContext>["events"];
  /** The token in the newest mail to this address, once it has come. */
  mailedToken(address: string): Promise<string>;
  close(): Promise<void>;
}

/** The service over real Postgres and Redis, with a clock that moves and mails that are kept. */
export async function createHarness(env: Readonly<Record<string, string>> = {}): Promise<Harness> {
  const testRedis = await createTestRedis();
  const redis: Redis = connectRedis(testRedis.url);
  await new Promise((resolve) => redis.once("ready", resolve));
  const mails: Mail[] = [];
  const startedMs = Date.now();
  let offsetMs = 0;
  const now = () => new Date(startedMs + offsetMs);
  const test = await startTestService(service, { env: { ...ENV, ...env }, redis, now });
  const { app, pool, keyring, context: ctx } = test;
  ctx.mails = createMailQueue({
    ...{ pool, now, logger: ctx.logger, from: "x@y.example" },
    key: await tableKey(pool, keyring, "mails"),
    transport: { send: async (mail) => void mails.push(mail), probe: async () => {}, close() {} },
    compose: (tx, task) => composeTask(ctx, tx, task),
    sent: (tx, task) => taskSent(ctx, tx, task),
  });
  ctx.mails.wake();
  const passwordHash = await ctx.hasher.hash(PASSWORD);

  const guest: Harness["guest"] = (overrides = {}) => signedIn(app, actor("guest", overrides));
  const code: Harness["code"] = (person, steps = 0) =>
    generateSync({
      secret: person.totpSecret ?? "",
      epoch: Math.floor(ctx.now().getTime() / 1000) + steps * 30,
    });
  const wrongCode: Harness["wrongCode"] = ({ totpSecret }) => {
    const epoch = Math.floor(ctx.now().getTime() / 1000);
    const right = [-30, 0, 30].map((s) => generateSync({ secret: totpSecret ?? "", epoch: epoch + s }));
    return ["000000", "111111", "222222", "333333"].find((wrong) => !right.includes(wrong)) ?? "";
  };
  const signIn: Harness["signIn"] = async (person, client = guest()) => {
    const login = await client.post<Answer>("/v1/auth/login", {
      identifier: person.account.username,
      password: person.password,
    });
    if (!login.body.mfaRequired) return login;
    return client.post<Answer>("/v1/auth/mfa/challenge", {
      mfaToken: login.body.mfaToken,
      code: code(person),
    });
  };
  const withToken: Harness["withToken"] = async (token, overrides = {}) => {
    const jwks = createLocalJWKSet((await publicJwks(pool, ctx.now())) as JSONWebKeySet);
    const { payload } = await jwtVerify(token, jwks, {
      typ: "at+jwt",
      algorithms: ["EdDSA"],
      issuer: "medvault",
      audience: ACCESS_TOKEN_AUDIENCE,
      currentDate: ctx.now(),
    });
    return signedIn(
      app,
      actor(payload.role as Actor["role"], {
        id: String(payload.sub),
        sessionId: String(payload.sid),
        permissions: String(payload.scope).split(" "),
        authTime: Number(payload.auth_time) - Math.floor(offsetMs / 1000),
        amr: payload.amr as string[],
        ...overrides,
      }),
    );
  };

  return {
    ctx,
    app,
    db: test.database,
    redis: testRedis,
    connection: redis,
    keyring,
    mails,
    guest,
    code,
    wrongCode,
    signIn,
    withToken,
    advance(ms) {
      offsetMs += ms;
    },
    async person(role, overrides = {}) {
      const id = newId();
      const name = `${role}-${id.slice(-12)}`;
      const base = newAccount(
        { id, username: name, email: `${name}@clinic.example`, role, passwordHash },
        ctx.now(),
      );
      const staff = role !== "patient";
      const account = {
        ...base,
        mfaEnabled: staff,
        totpSecret: staff ? newTotpSecret() : null,
        ...overrides,
      };
      const client = await pool.connect();
      try {
        await insertAccount(client as Parameters<typeof insertAccount>[0], ctx, account);
      } finally {
        client.release();
      }
      return { account, password: PASSWORD, totpSecret: account.totpSecret };
    },
    async client(person) {
      const { status, body } = await signIn(person);
      if (status !== 200) throw new Error(`not signed in: ${body.code}`);
      return { tokens: body, api: await withToken(body.accessToken) };
    },
    events: test.events,
    async mailedToken(address) {
      const until = Date.now() + 5_000;
      for (;;) {
        const tokens = mails
          .filter((known) => known.to === address)
          .map((mail) => /#token=([A-Za-z0-9_-]{43})/.exec(mail.text)?.[1]);
        const token = tokens.findLast((found) => found !== undefined);
        if (token) return token;
        if (Date.now() > until) throw new Error("no mail came");
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async close() {
      await ctx.mails.stop();
      await test.close();
      redis.disconnect();
      await testRedis.close();
    },
  };
}
