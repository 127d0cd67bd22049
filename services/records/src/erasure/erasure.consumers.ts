import { type CloudEvent, confirmationOfEvent, ERASURE_CONFIRMED } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { Consumption } from "@medvault/runtime";
import { PARTS } from "./erasure.ts";
import { takeConfirmation } from "./progress.service.ts";

export const erasureConsumers = (): Consumption[] => [
  {
    queue: "medvault.records.erasures",
    bindings: [ERASURE_CONFIRMED],
    allowedSources: PARTS.filter((name) => name !== "records"),
    handle: takeConfirmations,
  },
];

/** The broker vouches for the source: a service confirms its own part, and no other's. */
export async function takeConfirmations(events: readonly CloudEvent[], tx: Tx): Promise<void> {
  for (const event of events) {
    const service = PARTS.find((name) => event.source === `/medvault/${name}` && name !== "records");
    if (!service) throw new TypeError("not a service that has a part in an erasure");
    const { number, doneAt, keysFinalAt } = confirmationOfEvent(event);
    const finalAt = keysFinalAt === null ? null : new Date(keysFinalAt);
    await takeConfirmation(tx, number, { service, doneAt: new Date(doneAt), finalAt });
  }
}
