import { hash } from "node:crypto";
import type { Binding } from "@medvault/contracts";
import { networkOf } from "@medvault/service-kit";
import type { Client } from "./asserter.ts";

/** What a session is bound to, as auth wrote it. */
export interface Bound {
  /** SHA-256 of the user agent, in hex. */
  uaHash: string;
  /** The address, or its /64. */
  net: string;
  bindAgent: Binding;
  bindAddress: Binding;
}

/** What a session's binding says of this client: null where it is the same one, or nobody minds. */
export function strangeness(bound: Bound, client: Client): "enforce" | "watch" | null {
  const found: Binding[] = [];
  if (bound.bindAgent !== "off" && hash("sha256", client.userAgent, "hex") !== bound.uaHash) {
    found.push(bound.bindAgent);
  }
  if (bound.bindAddress !== "off" && networkOf(client.ip) !== bound.net) found.push(bound.bindAddress);
  if (found.includes("enforce")) return "enforce";
  return found.includes("watch") ? "watch" : null;
}
