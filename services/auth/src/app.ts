import type { ConnectionOptions } from "node:tls";
import {
  applyPolicy,
  countInBackups,
  createKeyring,
  indexKey,
  startFinalRotation,
  tableKey,
} from "@medvault/keys";
import { connectBroker, createAppender, createRelay, keyEvent } from "@medvault/messaging";
import { assertServiceMigrated, createPool } from "@medvault/postgres";
import {
  type AssertionVerifier,
  type CheckState,
  createApp,
  type Logger,
  loadAssertionVerifier,
  stateOf,
  type Tls,
} from "@medvault/service-kit";
import type { Express } from "express";
import { Redis } from "ioredis";
import { openUserIndex } from "./accounts/account.store.ts";
import type { Config } from "./config.ts";
import type { AuthContext, AuthSettings } from "./context.ts";
import { createBucketCounter } from "./lockout/bucket-counter.store.ts";
import { deleteUnseenDevices } from "./lockout/known-device.store.ts";
import { deleteStaleBuckets } from "./lockout/lockout.store.ts";
import { createMailQueue } from "./mail/mail-queue.service.ts";
import { deleteParkedMails } from "./mail/mail-queue.store.ts";
import { composeMail } from "./mail/mail-task.service.ts";
import { fileTransport, smtpTransport } from "./mail/mail-transport.client.ts";
import { mfaRoutes } from "./mfa/mfa.routes.ts";
import { passkeyRoutes } from "./passkeys/passkey.routes.ts";
import { deleteExpiredChallenges } from "./passkeys/passkey-challenge.store.ts";
import { relyingPartyOf } from "./passkeys/relying-party.ts";
import { passwordRoutes } from "./passwords/password.routes.ts";
import { createPasswordCheck } from "./passwords/password-check.ts";
import { createPasswordHasher } from "./passwords/password-hasher.service.ts";
import { openPasswordList } from "./passwords/password-list.store.ts";
import { createStrengthMeter } from "./passwords/password-strength.service.ts";
import { refusedEvent } from "./refused.ts";
import { roleRoutes } from "./roles/role.routes.ts";
import { getRole } from "./roles/role.store.ts";
import { openLocations } from "./sessions/location.store.ts";
import { sweepSessions } from "./sessions/session.jobs.ts";
import { sessionRoutes } from "./sessions/session.routes.ts";
import { keepFilled } from "./sessions/session-cache.jobs.ts";
import { createSessionCache } from "./sessions/session-cache.store.ts";
import { signInRoutes } from "./sign-in/sign-in.routes.ts";
import { createAccessTokenSigner } from "./signing-keys/access-token-signer.service.ts";
import { jwksRoutes } from "./signing-keys/signing-key.routes.ts";
import { rotateDaily, rotateSigningKeys } from "./signing-keys/signing-key.service.ts";
import { sealedTables } from "./tables.ts";
import { deleteExpiredTokens } from "./tokens/one-time-token.store.ts";
import { ownAccountRoutes } from "./users/own-account.routes.ts";
import { userRoutes } from "./users/user.routes.ts";

const SERVICE = "auth";
/** Of base32, which recovery codes are in. */
const BITS_PER_CHARACTER = 5;
/** Sign-ins waiting for a hash; at 28 ms and two at once the last of them waits some 3 s. */
const HASHES_WAITING_MAX = 200;

/** Joins the parts. Throws when a migration or a key is missing: then there is no boot. */
export async function composeApp(
  config: Config,
  logger: Logger,
  tls: Tls,
): Promise<{ app: Express; onStop: (() => Promise<void> | void)[] }> {
  const pool = createPool({
    connectionString: config.DATABASE_URL,
    tls: tls.outgoing,
    applicationName: SERVICE,
    schema: SERVICE,
    prepared: true,
  });
  await assertServiceMigrated(pool, SERVICE);
  const keyring = await createKeyring({
    service: SERVICE,
    keysFile: config.MEDVAULT_KEYS_FILE,
    keysEnv: config.MEDVAULT_KEYS,
  });
  await applyPolicy({ file: config.MEDVAULT_POLICY_FILE, service: SERVICE, tables: sealedTables });
  const assertions = await loadAssertionVerifier(config.MEDVAULT_ASSERTION_JWKS_FILE, SERVICE);
  const settings = settingsOf(config);
  const passwordList = config.MEDVAULT_PASSWORD_LIST
    ? await openPasswordList(config.MEDVAULT_PASSWORD_LIST)
    : null;
  const redis = connectRedis(config.REDIS_URL, { logger, tls: tls.outgoing });
  const csrfKey = await indexKey(pool, keyring, "auth.csrf");
  const cache = createSessionCache(redis, {
    idleMs: settings.idleMs,
    csrfKey,
    binding: settings.binding,
    permissionVersion: async (role) => (await getRole(pool, role)).version,
  });
  const now = () => new Date();
  const filling = keepFilled({ pool, keyring, redis, cache, now, logger });
  const broker = connectBroker({ url: config.AMQP_URL, logger, tls: tls.outgoing });
  const relay = createRelay({ pool, source: SERVICE, broker, logger });
  const appender = createAppender(pool, SERVICE);
  const mails = createMailQueue({
    pool,
    key: await tableKey(pool, keyring, "mails"),
    transport: config.MEDVAULT_SMTP_URL
      ? smtpTransport(config.MEDVAULT_SMTP_URL, { requireTls: config.NODE_ENV === "production" })
      : fileTransport(config.MEDVAULT_MAIL_DIR ?? ""),
    from: config.MEDVAULT_MAIL_FROM,
    compose: (tx, task) => composeMail(ctx, tx, task),
    now,
    logger,
  });
  await rotateSigningKeys(pool, keyring, now());
  const ctx: AuthContext = {
    pool,
    keyring,
    userIndex: await openUserIndex(pool, keyring),
    blindKey: await indexKey(pool, keyring, "auth.blind"),
    csrfKey,
    locate: config.MEDVAULT_GEOIP_FILE ? await openLocations(config.MEDVAULT_GEOIP_FILE) : () => null,
    hasher: await createPasswordHasher({
      concurrent: config.MEDVAULT_HASHES_AT_ONCE,
      waitingMax: HASHES_WAITING_MAX,
      cost: {
        memoryKiB: config.MEDVAULT_ARGON2_MEMORY_KIB,
        passes: config.MEDVAULT_ARGON2_PASSES,
        lanes: config.MEDVAULT_ARGON2_LANES,
      },
    }),
    passwordCheck: createPasswordCheck(config.PASSWORD_POLICY, passwordList),
    strength: createStrengthMeter(),
    signer: await createAccessTokenSigner(pool, keyring, settings.issuer),
    cache,
    buckets: createBucketCounter(redis),
    record: (...events) => appender.append(...events),
    mails,
    now,
    settings,
    logger,
  };
  const sweeping = startSweeping(ctx);
  relay.start();
  mails.start();
  const rotation = startFinalRotation({
    pool,
    keyring,
    keysFile: config.MEDVAULT_KEYS_FILE ?? null,
    afterHours: config.MEDVAULT_FINAL_ROTATION_AFTER_HOURS,
    audit: (verb) => keyEvent(SERVICE, verb, "schedule"),
    countOutside: (db, version) => countInBackups(db, SERVICE, version),
    logger,
  });
  const app = createAuthApp(ctx, {
    assertions,
    redisState: () => (redis.status === "ready" ? "ok" : "degraded"),
    brokerState: () => (broker.state() === "connected" ? "ok" : "degraded"),
  });
  return {
    app,
    onStop: [
      () => rotation.stop(),
      () => sweeping.stop(),
      () => mails.stop(),
      () => ctx.strength.close(),
      () => passwordList?.close(),
      () => appender.close(),
      () => relay.stop(),
      () => broker.close(),
      () => filling.stop(),
      () => redis.disconnect(),
      () => pool.end(),
    ],
  };
}

function startSweeping(ctx: AuthContext): { stop(): Promise<void> } {
  let running: Promise<void> = Promise.resolve();
  const sweep = async () => {
    const now = ctx.now();
    await rotateDaily(ctx);
    await sweepSessions(ctx);
    await deleteExpiredTokens(ctx.pool, now);
    await deleteExpiredChallenges(ctx.pool, now);
    await deleteStaleBuckets(ctx.pool, now);
    await deleteParkedMails(ctx.pool, new Date(now.getTime() - 30 * 24 * 3600_000));
    await deleteUnseenDevices(ctx.pool, new Date(now.getTime() - ctx.settings.lockout.knownMs));
  };
  const timer = setInterval(() => {
    running = running.then(sweep).catch((err: unknown) => ctx.logger.warn({ err }, "sweeping failed"));
  }, 60_000);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

/** The HTTP app over parts that are there already. */
export function createAuthApp(
  ctx: AuthContext,
  parts: { assertions: AssertionVerifier; redisState(): CheckState; brokerState(): CheckState },
): Express {
  return createApp({
    service: SERVICE,
    logger: ctx.logger,
    assertions: parts.assertions,
    jsonLimitBytes: 64 * 1024,
    routes: (router) => {
      signInRoutes(router, ctx);
      ownAccountRoutes(router, ctx);
      passwordRoutes(router, ctx);
      mfaRoutes(router, ctx);
      passkeyRoutes(router, ctx);
      sessionRoutes(router, ctx);
      userRoutes(router, ctx);
      roleRoutes(router, ctx);
      jwksRoutes(router, ctx);
    },
    readiness: async () => ({
      postgres: await stateOf(ctx.pool.query("select 1")),
      redis: parts.redisState(),
      rabbitmq: parts.brokerState(),
    }),
    onRefusal: async (req, actor, error) => {
      await ctx.record(refusedEvent(actor, req.method, req.route?.path, error));
    },
  });
}

function settingsOf(config: Config): AuthSettings {
  return {
    issuer: config.MEDVAULT_ISSUER,
    publicUrl: config.MEDVAULT_PUBLIC_URL,
    passkeys: relyingPartyOf(config.MEDVAULT_PUBLIC_URL, {
      id: config.MEDVAULT_PASSKEY_RP_ID,
      origins: config.MEDVAULT_PASSKEY_ORIGINS,
    }),
    accessTokenSeconds: 300,
    stepUpSeconds: 600,
    idleMs: config.MEDVAULT_SESSION_IDLE_MINUTES * 60_000,
    absoluteStaffMs: config.MEDVAULT_SESSION_STAFF_HOURS * 3600_000,
    absolutePatientMs: config.MEDVAULT_SESSION_PATIENT_DAYS * 24 * 3600_000,
    dailyReset: config.SESSION_DAILY_RESET,
    confirmRegistration: config.MEDVAULT_REGISTRATION_CONFIRM,
    tokenBytes: Math.ceil(config.MEDVAULT_TOKEN_BITS / 8),
    recoveryCodeCharacters: Math.ceil(config.MEDVAULT_RECOVERY_CODE_BITS / BITS_PER_CHARACTER),
    lockout: {
      by: config.MEDVAULT_LOCKOUT_BY,
      max: config.MEDVAULT_LOCKOUT_FAILURES,
      windowMs: config.MEDVAULT_LOCKOUT_WINDOW_SECONDS * 1000,
      lockMs: config.MEDVAULT_LOCKOUT_SECONDS * 1000,
      growth: config.MEDVAULT_LOCKOUT_GROWTH,
      knownMs: config.MEDVAULT_KNOWN_DEVICE_DAYS * 24 * 3600_000,
    },
    idleWarningMs: Math.min(120_000, config.MEDVAULT_SESSION_IDLE_MINUTES * 30_000),
    binding: {
      agent: config.MEDVAULT_SESSION_BIND_AGENT,
      addressOfStaff: config.MEDVAULT_SESSION_BIND_ADDRESS_STAFF,
      addressOfPatients: config.MEDVAULT_SESSION_BIND_ADDRESS_PATIENT,
    },
    sessionLimit: config.MEDVAULT_SESSION_LIMIT,
  };
}

/** A connection that fails fast instead of queueing: a request would rather know that Redis is away. */
export function connectRedis(
  url: string,
  { logger, tls }: { logger?: Logger; tls?: ConnectionOptions } = {},
): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 2_000,
    connectTimeout: 3_000,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 6), 2_000),
    ...(url.startsWith("rediss:") && tls ? { tls } : {}),
  });
  // Its state is shown by readiness; every command says for itself that it failed, but not why it cannot connect.
  let said = "";
  redis.on("error", (err: Error & { code?: string }) => {
    if (said !== err.code) logger?.warn({ code: err.code }, "redis away");
    said = err.code ?? "";
  });
  redis.on("ready", () => {
    said = "";
  });
  return redis;
}
