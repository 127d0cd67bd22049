import { type CloudEvent, confirmationOfEvent, erasureConfirmed } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { Consumption } from "@medvault/runtime";
import { PARTS } from "./erasure.ts";
import { takeConfirmation } from "./progress.service.ts";

/** Who confirms: the broker lets nobody bind to the events of all services at once. */
const OTHERS = PARTS.filter((name) => name !== "records");

export const erasureConsumers = (): Consumption[] => [
  {
    queue: "medvault.records.erasures",
    bindings: OTHERS.map(erasureConfirmed),
    allowedSources: OTHERS,
    handle: takeConfirmations,
  },
];

/** The broker vouches for the source: a service confirms its own part, and no other's. */
export async function takeConfirmations(events: readonly CloudEvent[], tx: Tx): Promise<void> {
  for (const event of events) {
    const service = OTHERS.find((name) => event.source === `/medvault/${name}`);
    if (!service) throw new TypeError("not a service that has a part in an erasure");
    const { number, doneAt, keysFinalAt } = confirmationOfEvent(event);
    const finalAt = keysFinalAt === null ? null : new Date(keysFinalAt);
    await takeConfirmation(tx, number, { service, doneAt: new Date(doneAt), finalAt });
  }
}
