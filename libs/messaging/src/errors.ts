import { AppError } from "@medvault/contracts";

/** An event that must not go out: against contracts, another service's, or too large. A bug. */
export class EventRefused extends Error {
  override readonly name = "EventRefused";
  readonly code = "event_refused";
  constructor(type: string, fault: string) {
    super(`Event ${type.slice(0, 120)} refused: ${fault}.`);
  }
}

/** The broker is away, or has not confirmed in time. Events wait in the outbox. */
export class BrokerUnavailable extends AppError {
  readonly code = "unavailable";
  readonly kind = "unavailable";
  override readonly name = "BrokerUnavailable";
  constructor() {
    super("The message broker is not available.");
  }
}

/** Another relay of the same service has taken the lease. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

/** True when the fault is in something that is away, so that trying again later can help. */
export function isUnavailableError(error: unknown): boolean {
  return typeof error === "object" && error !== null && "kind" in error && error.kind === "unavailable";
}

/** A code for logs and parked rows; never the message, which may quote data. */
export function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null) return "unknown";
  if ("code" in error && typeof error.code === "string" && /^[\w.-]{1,60}$/.test(error.code))
    return error.code;
  return error instanceof Error ? error.name.slice(0, 60) : "unknown";
}
