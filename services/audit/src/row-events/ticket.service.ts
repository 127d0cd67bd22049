import { DelegationToken } from "@medvault/contracts";
import type { Asserted, Delegations } from "@medvault/service-kit";
import type { LogContext } from "../context.ts";
import { isKnownTicket } from "./row-event.service.ts";

/** A ticket is renewed every hour. */
const LASTS_MS = 2 * 3_600_000;

const RECORDS: Asserted = {
  ...{ sub: "service:records", role: "service", sid: null, scope: "", auth_time: 0, amr: [] },
  ...{ ip: "127.0.0.1", ua: "medvault-job", permissions: new Set<string>(), part: "export" },
};

/**
 * Delegations, and before them tickets: a job of records says in the log, through the broker, which
 * vouches for it, what its ticket's hash is, and asks with the ticket. It opens the route for row
 * events, and nothing else: it has no permission.
 */
export function withTickets(
  log: Pick<LogContext, "pool" | "seal" | "now">,
  delegations: Delegations,
): Delegations {
  return {
    async claimsOf(token) {
      const since = new Date(log.now().getTime() - LASTS_MS);
      const isTicket = DelegationToken.safeParse(token).success && (await isKnownTicket(log, token, since));
      return isTicket ? RECORDS : delegations.claimsOf(token);
    },
  };
}
