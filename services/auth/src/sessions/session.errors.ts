import { type NewEvent, refusal } from "@medvault/contracts";

/** 409: this account has as many sessions as it may, and by setting none of them gives way. */
export class SessionLimitReached extends refusal(
  "session_limit_reached",
  "Session limit reached. End another session first.",
) {}

const events = new WeakMap<object, NewEvent>();

/**
 * Gives a refusal its event where it is thrown inside a transaction, which takes back what is
 * written in it: `changeSessions` writes the event then. Answers the refusal for throwing.
 */
export function withEvent<E extends Error>(error: E, event: NewEvent): E {
  events.set(error, event);
  return error;
}

/** The event that a refusal was given, if it was. */
export function eventOf(error: Error): NewEvent | undefined {
  return events.get(error);
}
