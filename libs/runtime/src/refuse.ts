import { KeysError, VaultRefused } from "@medvault/keys";
import { MigrationMissing } from "@medvault/postgres";
import {
  ConfigError,
  EXIT,
  type ExitCode,
  exitCodeOf,
  type Logger,
  sayRefusedStart,
} from "@medvault/service-kit";

/** Says why a process does not start, or did not do its work, and gives its exit code. */
export function refuse(name: string, err: unknown, logger: Logger | null, to: 1 | 2): ExitCode {
  if (err instanceof ConfigError) {
    sayRefusedStart(name, err, to);
    return EXIT.badSettings;
  }
  if (!logger) throw err; // a fault of ours, before there is a log
  const saysWhatToDo = err instanceof KeysError || err instanceof MigrationMissing;
  logger.fatal({ err }, saysWhatToDo ? err.message : `the ${to === 1 ? "start" : "job"} failed`);
  // The migration may be under way, and Vault have another token soon.
  if (err instanceof MigrationMissing || err instanceof VaultRefused) return EXIT.tryAgain;
  return err instanceof KeysError && err.kind === "internal" ? EXIT.badSettings : exitCodeOf(err);
}
