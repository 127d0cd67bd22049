import {
  type Contents,
  createLogger,
  EXIT,
  type Logger,
  openTls,
  type Tls,
  type TlsSettings,
} from "@medvault/service-kit";
import type { z } from "zod";
import { keyContents, readConfig } from "./config.ts";
import { refuse } from "./refuse.ts";
import type { ProcessParts } from "./run.ts";

/** A process that does one thing and ends. */
export interface OneShot<C extends z.ZodObject> {
  readonly name: string;
  /** Whose keys it has. */
  readonly service: string;
  readonly config: C;
  /** Looks into what its settings name besides its keys, before anything is opened. */
  readonly contents?: Contents;
  /** Its work ends at a SIGTERM by itself; without it, the process ends at once. */
  readonly endsItself?: boolean;
  /** Gives false where not all of it could be done. */
  work(parts: ProcessParts<z.infer<C>>): Promise<boolean>;
}

/**
 * Runs a one-shot job to its end: settings, TLS, work. Its log is on standard error: standard
 * output is for what it makes. It ends as every process of ours (docs/configuration.md, "Exit
 * codes").
 */
export async function runOnce<C extends z.ZodObject>(job: OneShot<C>): Promise<void> {
  // Without a handler, the first process of a container would ignore it.
  const end = () => process.exit(STOPPED);
  process.once("SIGTERM", end);
  let logger: Logger | null = null;
  let tls: Tls | null = null;
  try {
    const { settings, unknown } = await readConfig(job.config, {
      ...keyContents(job.service),
      ...job.contents,
    });
    const { LOG_LEVEL: level = "warn" } = settings as { LOG_LEVEL?: string };
    logger = createLogger({ service: job.name, level, destination: 2 });
    for (const [name, reason] of unknown) logger.warn({ name, reason }, "an unknown setting");
    tls = await openTls(settings as TlsSettings, logger);
    if (job.endsItself) process.off("SIGTERM", end);
    process.exitCode = (await job.work({ config: settings, logger, tls })) ? EXIT.done : EXIT.failed;
  } catch (error) {
    process.exitCode = refuse(job.name, error, logger, 2);
  } finally {
    tls?.close();
  }
}

/** As a shell says it: 128, and SIGTERM's number. */
const STOPPED = 143;
