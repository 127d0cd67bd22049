import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { type FinalRotationOptions, type FinalRotationOutcome, makeShredsFinal } from "./final-rotation.ts";

const HOUR_MS = 3_600_000;
const THIS_PROCESS = `${hostname()}.${process.pid}.${randomUUID()}`;

/** The part of the service-kit's logger that is used here. */
interface Log {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

export interface FinalRotationRound extends Omit<FinalRotationOptions, "owner" | "afterMs"> {
  /** MEDVAULT_FINAL_ROTATION_AFTER_HOURS. */
  readonly afterHours: number | "off";
  readonly logger: Log;
  /** Who holds the lease; default: this process. */
  readonly owner?: string;
}

/**
 * One round of makeShredsFinal, to be called once a minute, and what came of it, which is logged
 * too. Throws as makeShredsFinal does, and the signal's reason when aborted between two batches.
 */
export async function runFinalRotation({
  afterHours,
  logger,
  owner = THIS_PROCESS,
  ...options
}: FinalRotationRound): Promise<FinalRotationOutcome> {
  const afterMs = afterHours === "off" ? Number.POSITIVE_INFINITY : afterHours * HOUR_MS;
  const outcome = await makeShredsFinal({ ...options, owner, afterMs });
  const { state, reason } = outcome;
  if (state === "held up") logger.warn({ reason }, "shreds cannot be made final");
  if (state === "done") logger.info({ state }, "shreds are final");
  return outcome;
}
