import { NotFound } from "@medvault/contracts";
import { requestIdOf, traceparentOf } from "@medvault/service-kit";
import type { Request, RequestHandler } from "express";
import type { Admission } from "./admission/admission.service.ts";
import type { Asserter, Client } from "./identity/asserter.ts";
import { EnrollmentRequired } from "./identity/identity.errors.ts";
import { forward } from "./proxy/forward.ts";
import type { Upstream } from "./proxy/upstream.ts";
import { requestTarget } from "./routing/request-target.ts";
import type { RouteTable, ServiceName } from "./routing/route-table.ts";

export interface EdgeParts {
  routes: RouteTable;
  addressOf: (req: Request) => string;
  admission: Admission;
  asserter: Asserter;
  upstreams: Readonly<Record<ServiceName, Upstream>>;
}

const clients = new WeakMap<Request, Client>();
const MAX_USER_AGENT = 512;

/** Who is on the other end of the wire, for events of refusals. */
export function clientOf(req: Request): Client & { requestId: string; traceparent: string | null } {
  const client = clients.get(req) ?? { ip: "unknown", userAgent: "" };
  return { ...client, requestId: requestIdOf(req), traceparent: traceparentOf(req) };
}

/**
 * The one door: address, target, route, limits, token, session, then on to the service (or, for what the gateway
 * answers itself, `next`). Everything refused is thrown; nothing of it reached a service.
 */
export function edge(parts: EdgeParts): RequestHandler {
  return async (req, res, next) => {
    const client = {
      ip: parts.addressOf(req),
      userAgent: (req.get("user-agent") ?? "").slice(0, MAX_USER_AGENT),
    };
    clients.set(req, client);
    const { path, query } = requestTarget(req.url);
    const route = parts.routes(req.method, path);
    const signedIn = await parts.admission.admit({ req, res, ip: client.ip, path, route });
    if (!route) throw new NotFound();
    if (signedIn?.enrollment && !route.enrollment) throw new EnrollmentRequired();
    if (!route.service) return next();
    await forward(req, res, {
      upstream: parts.upstreams[route.service],
      route,
      target: `${path}${query}`,
      assertion: await parts.asserter.forClient(client, signedIn, route.audiences),
      withSession: signedIn !== null,
    });
  };
}
