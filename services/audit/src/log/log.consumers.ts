import { AUDIT_BINDING, AUDIT_QUEUE } from "@medvault/messaging";
import type { Consumption } from "@medvault/runtime";
import type { Context } from "../context.ts";

/**
 * Messages in hand at once, of up to 100 events each; what is in hand goes into one transaction.
 * Measured on 2 cores: see the service's README.
 */
const PREFETCH = 10;

/**
 * Events of all services into the log. The writer has the switch: it takes them while it has its
 * lease. In the moment in which it loses that, its errors are of the kind "unavailable":
 * consumption pauses and the events wait.
 */
export const logConsumers = ({ writer, arrivals, now }: Context): Consumption[] => [
  {
    queue: AUDIT_QUEUE,
    bindings: [AUDIT_BINDING],
    prefetch: PREFETCH,
    withoutInbox: true, // the log has every event's id, and no two of one
    // A number far ahead is parked: believed, it would make a gap in which a true one is not seen.
    handle: async (events, tx, refuse) => {
      await writer.append(tx, await arrivals.plausible(events, refuse, now()));
    },
    held: (consumer) => writer.start(consumer),
  },
];
