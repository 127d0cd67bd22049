import { Cron } from "croner";

/** Work that a service does by itself, again and again. */
export interface Job {
  /** Kebab-case, unique in its service: its label in metrics and logs. */
  readonly name: string;
  /** Pause between runs in ms, varied by a tenth (replicas spread); or a cron pattern in UTC. */
  readonly every: number | string;
  /** One process, once in a period, by a lease in the database. Default: in every process. */
  readonly exclusive?: boolean;
  /** Whether the first run is at once; default true for a pause, and false for a pattern. */
  readonly atStart?: boolean;
  /** Ends early when `signal` aborts (drain, lost lease). If it throws: logged, and run again. */
  run(run: { readonly signal: AbortSignal }): Promise<void>;
}

const JITTER = 0.1;

/** How long to wait for a job's next run, in milliseconds. `random` is from 0 to 1. */
export function waitMs(job: Pick<Job, "every">, now: Date, random: number): number {
  if (typeof job.every === "number") return job.every * (1 - JITTER + 2 * JITTER * random);
  const next = new Cron(job.every, { timezone: "UTC" }).nextRun(now);
  // A pattern that names no day to come (30 February) is refused where jobs are declared.
  return next ? next.getTime() - now.getTime() : Number.POSITIVE_INFINITY;
}

/** An exclusive job is due when nobody has begun it since this moment. */
export function dueSince(job: Pick<Job, "every">, now: Date): Date {
  if (typeof job.every === "number") return new Date(now.getTime() - job.every * (1 - 2 * JITTER));
  const [last] = new Cron(job.every, { timezone: "UTC" }).previousRuns(1, now);
  return new Date((last ?? now).getTime() - 1);
}

/** Throws RangeError, naming the job: a second of the name, or a bad pause or pattern. */
export function assertJobs(jobs: readonly Job[]): void {
  const names = new Set<string>();
  for (const job of jobs) {
    if (!/^[a-z][a-z0-9-]{0,59}$/.test(job.name))
      throw new RangeError(`a job's name is kebab-case: ${job.name}`);
    if (names.has(job.name)) throw new RangeError(`two jobs are called ${job.name}`);
    names.add(job.name);
    if (typeof job.every === "number" ? !(job.every >= 10) : !comesAgain(job.every)) {
      throw new RangeError(
        `the job ${job.name} needs a pause of at least 10 ms, or a cron pattern that comes again`,
      );
    }
  }
}

function comesAgain(pattern: string): boolean {
  try {
    return new Cron(pattern, { timezone: "UTC" }).nextRun() !== null;
  } catch {
    return false;
  }
}
