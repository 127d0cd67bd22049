import { setTimeout as delay } from "node:timers/promises";
import { assertServiceMigrated, DatabaseUnavailable } from "@medvault/postgres";
import { answerWhileStarting, ConfigError, type Logger, type Tls } from "@medvault/service-kit";
import type pg from "pg";
import type { Service } from "./service.ts";

const PAUSE_MS = { first: 250, most: 5_000 };

/** A wrong user or password, and a database that is not there: no wait helps. */
const REFUSED = /^(28P01|28000|3D000)$/;

interface Waiting {
  readonly config: { HOST: string; ADMIN_PORT: number; MEDVAULT_PROOF_KEY?: string | undefined };
  readonly logger: Logger;
  readonly tls: Tls;
}

/**
 * Waits until the database answers, and meanwhile says on the admin port that it does. Throws
 * MigrationMissing, and ConfigError where the database refuses what DATABASE_URL says.
 */
export async function untilDatabase(pool: pg.Pool, { name }: Service, waiting: Waiting): Promise<void> {
  const { config, logger, tls } = waiting;
  const { HOST: host, ADMIN_PORT: adminPort, MEDVAULT_PROOF_KEY: proofKey } = config;
  let stopAnswering: (() => Promise<void>) | null = null;
  try {
    for (let pause = PAUSE_MS.first; ; pause = Math.min(2 * pause, PAUSE_MS.most)) {
      const err = await assertServiceMigrated(pool, name).then(
        () => null,
        (error: Error) => error,
      );
      if (err === null) break;
      if (REFUSED.test(String((err as { code?: unknown }).code))) throw refusedBy(err);
      if (!(err instanceof DatabaseUnavailable)) throw err;
      if (!stopAnswering) {
        logger.warn({ err }, "the database does not answer: waiting for it");
        stopAnswering = await answerWhileStarting({ host, adminPort, proofKey, logger, tls }, "postgres");
      }
      await delay(pause);
    }
    if (stopAnswering) logger.info("the database answers: going on");
  } finally {
    await stopAnswering?.();
  }
}

function refusedBy(error: Error): ConfigError {
  const { code } = error as { code?: string };
  const fault = `is refused by PostgreSQL (${code}): correct its user, its password or the database that it names`;
  return new ConfigError(new Map([["DATABASE_URL", fault]]));
}
