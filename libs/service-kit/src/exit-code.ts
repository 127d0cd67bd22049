import { ConfigError } from "./config.ts";

/**
 * How a service, job or tool of ours ends (docs/configuration.md, "Exit codes"). The last two are
 * those of sysexits.h, which supervisors know: after 75 the same start may succeed, after 78 it
 * will not.
 */
export const EXIT = { done: 0, failed: 1, usage: 2, tryAgain: 75, badSettings: 78 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The exit code for what ended a start or a job. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof ConfigError) return EXIT.badSettings;
  return (error as { kind?: unknown } | null)?.kind === "unavailable" ? EXIT.tryAgain : EXIT.failed;
}
