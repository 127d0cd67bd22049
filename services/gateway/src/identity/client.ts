import { requestIdOf, traceparentOf } from "@medvault/service-kit";
import type { Request } from "express";

/** Who is on the other end of the connection. */
export interface Client {
  ip: string;
  userAgent: string;
}

const MAX_USER_AGENT = 512;
/** On the request itself: a WeakMap of all requests is work for each garbage collection. */
const CLIENT = Symbol("client");
interface WithClient {
  [CLIENT]?: Client;
}

/** Remembers who sent `req`, for the events of refusals. */
export function rememberClient(req: Request, ip: string): Client {
  const client = { ip, userAgent: (req.get("user-agent") ?? "").slice(0, MAX_USER_AGENT) };
  (req as WithClient)[CLIENT] = client;
  return client;
}

/** Who sent `req`, and in which trace. */
export function sourceOf(req: Request): Client & { requestId: string; traceparent: string | null } {
  const client = (req as WithClient)[CLIENT] ?? { ip: "unknown", userAgent: "" };
  return { ...client, requestId: requestIdOf(req), traceparent: traceparentOf(req) };
}
