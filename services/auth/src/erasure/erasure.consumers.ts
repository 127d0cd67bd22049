import { type CloudEvent, ERASURE_ANNOUNCED, erasureOfEvent } from "@medvault/contracts";
import type { Tx } from "@medvault/postgres";
import type { Consumption } from "@medvault/runtime";
import type { AuthContext } from "../context.ts";
import { forgetAccount } from "./erasure.service.ts";

export const erasureConsumers = (ctx: AuthContext): Consumption[] => [
  {
    queue: "medvault.auth.erasures",
    bindings: [ERASURE_ANNOUNCED],
    allowedSources: ["records"],
    handle: (events, tx) => forgetAccounts(ctx, events, tx),
  },
];

export async function forgetAccounts(ctx: AuthContext, events: readonly CloudEvent[], tx: Tx): Promise<void> {
  for (const event of events) await forgetAccount(tx, ctx, erasureOfEvent(event));
}
