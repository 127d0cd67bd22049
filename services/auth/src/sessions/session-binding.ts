import type { Binding } from "@medvault/contracts";
import { networkOf } from "@medvault/service-kit";
import type { Session } from "./session.ts";

/** I12: what a session is bound to, by the operator's settings. */
export interface BindingSettings {
  agent: Binding;
  addressOfStaff: Binding;
  addressOfPatients: Binding;
}

export type Strangeness = "agent" | "address";

/** A session that began without a user agent has none to be bound to. */
export function agentBinding(session: Pick<Session, "userAgent">, settings: BindingSettings): Binding {
  return session.userAgent === "" ? "off" : settings.agent;
}

export function addressBinding(role: Session["role"], settings: BindingSettings): Binding {
  return role === "patient" ? settings.addressOfPatients : settings.addressOfStaff;
}

/**
 * What is strange about this client for the session's, the gravest first; null when nothing is, or nobody minds.
 * Addresses are compared as networks: an IPv6 host changes its own within a /64 as it likes.
 */
export function strangeness(
  session: Pick<Session, "role" | "ip" | "userAgent">,
  client: { ip: string; userAgent: string },
  settings: BindingSettings,
): { what: Strangeness; binding: "enforce" | "watch" } | null {
  const found: { what: Strangeness; binding: Binding }[] = [];
  if (client.userAgent !== session.userAgent)
    found.push({ what: "agent", binding: agentBinding(session, settings) });
  if (networkOf(client.ip) !== networkOf(session.ip)) {
    found.push({ what: "address", binding: addressBinding(session.role, settings) });
  }
  for (const binding of ["enforce", "watch"] as const) {
    const one = found.find((strange) => strange.binding === binding);
    if (one) return { what: one.what, binding };
  }
  return null;
}
