import { countInBackups, runFinalRotation } from "@medvault/keys";
import { keyEvent } from "@medvault/messaging";
import type { Job } from "./job.ts";
import type { Parts, Service } from "./service.ts";

interface Settings {
  readonly MEDVAULT_KEYS_FILE?: string | undefined;
  readonly MEDVAULT_FINAL_ROTATION_AFTER_HOURS?: number | "off";
}

/**
 * Makes shreds final, in services with keys of subjects: those whose settings say after how many
 * hours. Its lease is its own, and lasts as long as its work may take.
 */
export function finalRotationJob(
  { name, tables = [] }: Service,
  { MEDVAULT_FINAL_ROTATION_AFTER_HOURS: afterHours, MEDVAULT_KEYS_FILE: keysFile = undefined }: Settings,
  { pool, keyring, logger }: Parts,
): Job[] {
  if (afterHours === undefined) return [];
  const areSubjectsPatients = tables.some(({ declaration }) => declaration.subject === "patient_id");
  return [
    {
      name: "final-rotation",
      every: 60_000,
      run: async ({ signal }) => {
        await runFinalRotation({
          pool,
          keyring,
          keysFile: keysFile ?? null,
          afterHours,
          audit: (verb, subjectIds) =>
            keyEvent(name, verb, "schedule", areSubjectsPatients ? subjectIds : undefined),
          countOutside: (db, version) => countInBackups(db, name, version),
          logger,
          signal,
        });
      },
    },
  ];
}
