import type { Binding } from "@medvault/contracts";
import { networkOf } from "@medvault/service-kit";
import type { Session } from "./session.ts";

/** I12: what a session is bound to, by the operator's settings. */
export interface BindingSettings {
  agent: Binding;
  addressOfStaff: Binding;
  addressOfPatients: Binding;
}

/** A session that began without a user agent has none to be bound to. */
export function agentBinding(session: Pick<Session, "userAgent">, settings: BindingSettings): Binding {
  return session.userAgent === "" ? "off" : settings.agent;
}

export function addressBinding(role: Session["role"], settings: BindingSettings): Binding {
  return role === "patient" ? settings.addressOfPatients : settings.addressOfStaff;
}

/** What of a client is not what the session is bound to, and what follows. */
export interface BindingViolation {
  what: "agent" | "address";
  binding: "enforce" | "watch";
}

/**
 * How a client violates the session's binding, the gravest first; null where it does not, or where
 * nothing is bound. Addresses are compared as networks: an IPv6 host changes its own within a /64
 * as it likes.
 */
export function bindingViolation(
  session: Pick<Session, "role" | "ip" | "userAgent">,
  client: { ip: string; userAgent: string },
  settings: BindingSettings,
): BindingViolation | null {
  const agent = client.userAgent === session.userAgent ? "off" : agentBinding(session, settings);
  const isSameNetwork = networkOf(client.ip) === networkOf(session.ip);
  const address = isSameNetwork ? "off" : addressBinding(session.role, settings);
  for (const binding of ["enforce", "watch"] as const) {
    if (agent === binding) return { what: "agent", binding };
    if (address === binding) return { what: "address", binding };
  }
  return null;
}
