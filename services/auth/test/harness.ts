import { type Actor, newId } from "@medvault/contracts";
import { indexKey, type Keyring, tableKey } from "@medvault/keys";
import { createAppender } from "@medvault/messaging";
import { createLogger } from "@medvault/service-kit";
import {
  actor,
  createTestDatabase,
  createTestRedis,
  drainedEvents,
  signedIn,
  type TestAnswer,
  type TestClient,
  type TestDatabase,
  type TestRedis,
  testAssertions,
  testKeyring,
} from "@medvault/testing";
import type { Express } from "express";
import type { Redis } from "ioredis";
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from "jose";
import { generateSync } from "otplib";
import { insertAccount, openUserIndex } from "../src/accounts/account.store.ts";
import { type Account, newAccount } from "../src/accounts/account.ts";
import { connectRedis, createAuthApp } from "../src/app.ts";
import type { AuthContext, AuthSettings } from "../src/context.ts";
import { createBucketCounter } from "../src/lockout/bucket-counter.store.ts";
import { LOCKOUT } from "../src/lockout/lockout.ts";
import type { Mail } from "../src/mail/mail.ts";
import { createMailQueue } from "../src/mail/mail-queue.service.ts";
import { composeMail } from "../src/mail/mail-task.service.ts";
import { newTotpSecret } from "../src/mfa/totp.ts";
import { relyingPartyOf } from "../src/passkeys/relying-party.ts";
import { createPasswordCheck } from "../src/passwords/password-check.ts";
import { createPasswordHasher } from "../src/passwords/password-hasher.service.ts";
import { createStrengthMeter } from "../src/passwords/password-strength.service.ts";
import { getRole } from "../src/roles/role.store.ts";
import { createSessionCache } from "../src/sessions/session-cache.store.ts";
import {
  ACCESS_TOKEN_AUDIENCE,
  createAccessTokenSigner,
} from "../src/signing-keys/access-token-signer.service.ts";
import { publicJwks, rotateSigningKeys } from "../src/signing-keys/signing-key.service.ts";

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

export interface Person {
  account: Account;
  password: string;
  totpSecret: string | null;
}

export interface Harness {
  ctx: AuthContext;
  app: Express;
  db: TestDatabase;
  redis: TestRedis;
  /** The service's own connection. */
  connection: Redis;
  keyring: Keyring;
  mails: Mail[];
  /** Moves the service's clock, which stands still otherwise: no test meets the edge of a TOTP step. */
  advance(ms: number): void;
  guest(overrides?: Partial<Pick<Actor, "ip" | "userAgent">>): TestClient;
  /** A client as the gateway lets one through: what the verified access token says, and nothing else. */
  withToken(token: string, overrides?: Partial<Actor>): Promise<TestClient>;
  person(role: Account["role"], overrides?: Partial<Account>): Promise<Person>;
  /** The present TOTP code, `steps` ahead. */
  code(person: Person, steps?: number): string;
  /** Signs in as far as it goes; the answer of the last call. */
  signIn(person: Person, client?: TestClient): Promise<TestAnswer<Answer>>;
  /** As `signIn`, and a client with its tokens. */
  client(person: Person): Promise<{ tokens: Answer; api: TestClient }>;
  events(): ReturnType<typeof drainedEvents>;
  /** The token in the newest mail to this address, once it has come. */
  mailedToken(address: string): Promise<string>;
  close(): Promise<void>;
}

/** The whole service over real Postgres and Redis, with a clock that moves and mails that are kept. */
export async function createHarness(): Promise<Harness> {
  const [db, testRedis, keyring, assertions] = await Promise.all([
    createTestDatabase(["auth"]),
    createTestRedis(),
    testKeyring("auth"),
    testAssertions(),
  ]);
  const pool = db.pool("auth", { prepared: true });
  const redis: Redis = connectRedis(testRedis.url);
  await new Promise((resolve) => redis.once("ready", resolve));
  const appender = createAppender(pool, "auth");
  const logger = createLogger({ service: "auth", level: "silent" });
  const mails: Mail[] = [];
  const startedMs = Date.now();
  let offsetMs = 0;
  const csrfKey = await indexKey(pool, keyring, "auth.csrf");
  const settings: AuthSettings = {
    issuer: "medvault",
    publicUrl: "https://medvault.example",
    passkeys: relyingPartyOf("https://medvault.example"),
    accessTokenSeconds: 300,
    stepUpSeconds: 600,
    idleMs: 15 * 60_000,
    absoluteStaffMs: 12 * 3600_000,
    absolutePatientMs: 7 * 24 * 3600_000,
    dailyReset: false,
    lockout: LOCKOUT,
    tokenBytes: 32,
    recoveryCodeCharacters: 16,
    confirmRegistration: false,
    idleWarningMs: 120_000,
    binding: {
      agent: "enforce" as const,
      addressOfStaff: "enforce" as const,
      addressOfPatients: "watch" as const,
    },
    sessionLimit: "end-oldest" as const,
  };
  await rotateSigningKeys(pool, keyring, new Date(startedMs));
  const ctx: AuthContext = {
    pool,
    keyring,
    userIndex: await openUserIndex(pool, keyring),
    blindKey: await indexKey(pool, keyring, "auth.blind"),
    csrfKey,
    locate: () => null,
    hasher: await createPasswordHasher({ concurrent: 4, waitingMax: 300 }),
    passwordCheck: createPasswordCheck("composition", null),
    strength: createStrengthMeter(),
    signer: await createAccessTokenSigner(pool, keyring, settings.issuer),
    cache: createSessionCache(redis, {
      idleMs: settings.idleMs,
      csrfKey,
      binding: settings.binding,
      permissionVersion: async (role) => (await getRole(pool, role)).version,
    }),
    buckets: createBucketCounter(redis),
    record: (...events) => appender.append(...events),
    mails: createMailQueue({
      pool,
      key: await tableKey(pool, keyring, "mails"),
      transport: {
        async send(mail) {
          mails.push(mail);
        },
        close() {},
      },
      from: "x@y.example",
      compose: (tx, task) => composeMail(ctx, tx, task),
      now: () => new Date(startedMs + offsetMs),
      logger,
    }),
    now: () => new Date(startedMs + offsetMs),
    settings,
    logger,
  };
  const app = createAuthApp(ctx, {
    assertions: assertions.verifier("auth"),
    redisState: () => "ok",
    brokerState: () => "ok",
  });
  ctx.mails.start();
  const passwordHash = await ctx.hasher.hash(PASSWORD);

  const guest: Harness["guest"] = (overrides = {}) => signedIn(app, actor("guest", overrides));
  const code: Harness["code"] = (person, steps = 0) =>
    generateSync({
      secret: person.totpSecret ?? "",
      epoch: Math.floor(ctx.now().getTime() / 1000) + steps * 30,
    });
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
    db,
    redis: testRedis,
    connection: redis,
    keyring,
    mails,
    guest,
    code,
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
    events: () => drainedEvents(pool),
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
      await ctx.strength.close();
      await appender.close();
      redis.disconnect();
      await testRedis.close();
      await db.drop();
    },
  };
}
