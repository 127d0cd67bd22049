import type { NewEvent } from "@medvault/contracts";
import { indexKey, tableKey } from "@medvault/keys";
import type { Parts } from "@medvault/runtime";
import { type Locate, type Logger, markRecorded, openLocations } from "@medvault/service-kit";
import type { Redis } from "ioredis";
import type pg from "pg";
import { type AccountSeals, openUserIndex } from "./accounts/account.store.ts";
import { type AuthConfig, type AuthSettings, settingsOf } from "./config.ts";
import { type KnownPeopleClient, knownPeopleClient } from "./directory/known-people.client.ts";
import { type BucketCounter, createBucketCounter } from "./lockout/bucket-counter.store.ts";
import { createMailQueue, type MailQueue } from "./mail/mail-queue.service.ts";
import { fileTransport, smtpTransport } from "./mail/mail-transport.client.ts";
import { createPasswordHasher, type PasswordHasher } from "./passwords/password-hasher.service.ts";
import { openPasswordList } from "./passwords/password-list.store.ts";
import { createPasswordCheck, type PasswordCheck, wordsOf } from "./passwords/password-policy.ts";
import { commonWords } from "./passwords/word-table.store.ts";
import { composeTask, taskSent } from "./reminders/reminder.service.ts";
import { getRole } from "./roles/role.store.ts";
import { createSessionCache, type SessionCache } from "./sessions/session-cache.store.ts";
import {
  type AccessTokenSigner,
  createAccessTokenSigner,
} from "./signing-keys/access-token-signer.service.ts";
import { rotateSigningKeys } from "./signing-keys/signing-key.service.ts";

/** What the use cases of auth share. */
export interface AuthContext extends AccountSeals {
  pool: pg.Pool;
  redis: Redis;
  /** Key of the blind tokens of addresses, lockout buckets and recovery codes. */
  blindKey: Buffer;
  /** Key of the CSRF tokens of cookie sessions. */
  csrfKey: Buffer;
  /** Where an address is, roughly. */
  locate: Locate;
  hasher: PasswordHasher;
  passwordCheck: PasswordCheck;
  signer: AccessTokenSigner;
  cache: SessionCache;
  buckets: BucketCounter;
  /** Events of what has no transaction of its own; resolves once they are committed. */
  record(...events: NewEvent[]): Promise<void>;
  /** Throws the refusal once its own events are recorded: the guard then makes no other. */
  refuse(refusal: Error, ...events: NewEvent[]): Promise<never>;
  mails: MailQueue;
  /** Whom a patient may know of. */
  known: KnownPeopleClient;
  now(): Date;
  settings: AuthSettings;
  logger: Logger;
}

/** Sign-ins waiting for a hash; at 28 ms and two at once the last of them waits some 3 s. */
const HASHES_WAITING_MAX = 200;

/** Throws where a file that the settings name is not what it should be. */
export async function openContext(parts: Parts<AuthConfig>): Promise<AuthContext> {
  const { config, pool, keyring, redis, appender, logger, tls, now, onStop } = parts;
  const settings = settingsOf(config);
  const csrfKey = await indexKey(pool, keyring, "auth.csrf");
  const list = config.MEDVAULT_PASSWORD_LIST ? await openPasswordList(config.MEDVAULT_PASSWORD_LIST) : null;
  await rotateSigningKeys(pool, keyring, now());
  const ctx: AuthContext = {
    ...{ pool, keyring, redis, csrfKey, settings, logger, now },
    userIndex: await openUserIndex(pool, keyring),
    blindKey: await indexKey(pool, keyring, "auth.blind"),
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
    passwordCheck: createPasswordCheck(
      config.PASSWORD_POLICY,
      commonWords,
      list,
      wordsOf(config.MEDVAULT_PUBLIC_URL),
      config.MEDVAULT_PASSWORD_MIN_CHARACTERS,
    ),
    signer: await createAccessTokenSigner(pool, keyring, settings.issuer),
    cache: createSessionCache(redis, {
      ...{ idleMs: settings.idleMs, csrfKey, binding: settings.binding },
      isReplicated: config.REDIS_SENTINELS !== undefined,
      permissionVersion: async (role) => (await getRole(pool, role)).version,
    }),
    buckets: createBucketCounter(redis),
    known: knownPeopleClient({ records: config.MEDVAULT_RECORDS_URL, audit: config.MEDVAULT_AUDIT_URL }, tls),
    record: (...events) => appender.append(...events),
    async refuse(refusal, ...events) {
      await appender.append(...events);
      throw markRecorded(refusal);
    },
    mails: createMailQueue({
      ...{ pool, now, logger, from: config.MEDVAULT_MAIL_FROM },
      key: await tableKey(pool, keyring, "mails"),
      transport: config.MEDVAULT_SMTP_URL
        ? smtpTransport(config.MEDVAULT_SMTP_URL, { requireTls: config.NODE_ENV === "production" })
        : fileTransport(config.MEDVAULT_MAIL_DIR ?? ""),
      compose: (tx, task) => composeTask(ctx, tx, task),
      sent: (tx, task) => taskSent(ctx, tx, task),
    }),
  };
  onStop(() => list?.close());
  onStop(() => ctx.mails.stop());
  onStop(() => ctx.known.close());
  return ctx;
}
