import { type CloudEvent, ERASURE_ANNOUNCED, erasureOfEvent } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { Consumption } from "@medvault/runtime";
import type { Context } from "../context.ts";
import { forgetPatient } from "./erasure.service.ts";

export const erasureConsumers = (context: Context): Consumption[] => [
  {
    queue: "medvault.files.erasures",
    bindings: [ERASURE_ANNOUNCED],
    allowedSources: ["records"],
    handle: (events, tx) => forgetPatients(context, events, tx),
  },
];

export async function forgetPatients(context: Context, events: readonly CloudEvent[], tx: Tx): Promise<void> {
  for (const event of events) await forgetPatient(tx, context, erasureOfEvent(event));
}
