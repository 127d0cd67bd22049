import { NotFound, Unauthenticated } from "@medvault/contracts";
import { requestIdOf, traceparentOf } from "@medvault/service-kit";
import type { Request, RequestHandler, Response } from "express";
import { type AccessTokens, bearerToken } from "./identity/access-token.ts";
import type { Asserter, Client } from "./identity/asserter.ts";
import { EnrollmentRequired } from "./identity/identity.errors.ts";
import type { Sessions, SignedIn } from "./identity/session.service.ts";
import type { RateLimits } from "./limits/rate-limit.ts";
import { forward } from "./proxy/forward.ts";
import type { Upstream } from "./proxy/upstream.ts";
import { requestTarget } from "./routing/request-target.ts";
import type { Route, RouteTable, ServiceName } from "./routing/route-table.ts";

export interface EdgeParts {
  routes: RouteTable;
  addressOf: (req: Request) => string;
  limits: RateLimits;
  tokens: AccessTokens;
  sessions: Sessions;
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
    const signedIn = await admitted(parts, req, res, client.ip, route);
    if (!route) throw new NotFound();
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

/**
 * Limits, token and session. A token that was verified before costs one round trip to Redis for all three; an
 * unknown one is verified only after its sender's limit, since a verification is the dearest thing here.
 */
async function admitted(
  parts: EdgeParts,
  req: Request,
  res: Response,
  ip: string,
  route: Route | null,
): Promise<SignedIn | null> {
  const isRead = req.method === "GET" || req.method === "HEAD";
  const limited = () =>
    parts.limits.consume(ip, route?.limit ?? null, isRead && route?.access !== "session", res);
  if (route?.access !== "session") {
    await limited();
    return null;
  }
  const known = knownClaims(parts.tokens, req);
  if (known) {
    const [limit, session] = await Promise.allSettled([limited(), parts.sessions.check(known)]);
    if (limit.status === "rejected") throw limit.reason;
    if (session.status === "rejected") throw session.reason;
    return enrolled(session.value, route);
  }
  await limited();
  const token = bearerToken(req.get("authorization"));
  if (!token) throw new Unauthenticated();
  return enrolled(await parts.sessions.check(await parts.tokens.verify(token)), route);
}

function knownClaims(tokens: AccessTokens, req: Request) {
  const token = /^bearer +(\S+)$/i.exec(req.get("authorization") ?? "")?.[1];
  return token ? tokens.remembered(token) : null;
}

function enrolled(session: SignedIn, route: Route): SignedIn {
  if (session.enrollment && !route.enrollment) throw new EnrollmentRequired();
  return session;
}
