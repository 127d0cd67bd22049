import { NotFound } from "@medvault/contracts";
import { requestIdOf, traceparentOf } from "@medvault/service-kit";
import type { Request, RequestHandler, Response } from "express";
import type { Admission } from "./admission/admission.service.ts";
import { MethodNotAllowed } from "./hygiene/hygiene.errors.ts";
import type { Inspect } from "./hygiene/inspect.ts";
import { readJson } from "./hygiene/json-body.ts";
import type { Asserter, Client } from "./identity/asserter.ts";
import { EnrollmentRequired } from "./identity/identity.errors.ts";
import { transportHeaders } from "./identity/session-transport.ts";
import { forward } from "./proxy/forward.ts";
import { ClientGone } from "./proxy/proxy.errors.ts";
import type { Upstream } from "./proxy/upstream.ts";
import type { Route, RouteTable, ServiceName } from "./routing/route-table.ts";
import type { FieldPlan } from "./screening/field-plan.ts";
import { screenBody } from "./screening/screen.ts";

export interface EdgeParts {
  routes: RouteTable;
  addressOf: (req: Request) => string;
  inspect: Inspect;
  admission: Admission;
  asserter: Asserter;
  upstreams: Readonly<Record<ServiceName, Upstream>>;
  /** How long a body may stand still. */
  standstillMs: number;
}

const METHODS: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
const clients = new WeakMap<Request, Client>();
const MAX_USER_AGENT = 512;

/** Who is on the other end of the wire, for events of refusals. */
export function clientOf(req: Request): Client & { requestId: string; traceparent: string | null } {
  const client = clients.get(req) ?? { ip: "unknown", userAgent: "" };
  return { ...client, requestId: requestIdOf(req), traceparent: traceparentOf(req) };
}

/**
 * The one door: address, inspection, route, limits, token, session, body, then on to the service (or, for what the gateway
 * answers itself, `next`). Everything refused is thrown; nothing of it reached a service.
 */
export function edge(parts: EdgeParts): RequestHandler {
  return async (req, res, next) => {
    const client = {
      ip: parts.addressOf(req),
      userAgent: (req.get("user-agent") ?? "").slice(0, MAX_USER_AGENT),
    };
    clients.set(req, client);
    if (!METHODS.includes(req.method)) {
      res.setHeader("Allow", METHODS.join(", "));
      throw new MethodNotAllowed();
    }
    const { path, query, plan, refuseUnknownQuery } = parts.inspect(req);
    const route = parts.routes(req.method, path);
    const signedIn = await parts.admission.admit({ req, res, ...client, path, route });
    if (!route) throw new NotFound();
    if (signedIn?.enrollment && !route.enrollment) throw new EnrollmentRequired();
    const transport = route.service === "auth" ? transportHeaders(req, path, client.ip, signedIn) : {};
    refuseUnknownQuery();
    if (!route.service) return next();
    const body = route.streams ? undefined : await readScreened(parts, req, res, route, plan);
    if (res.destroyed) return; // gone while its body was read
    await forward(req, res, {
      upstream: parts.upstreams[route.service],
      route,
      target: `${path}${query}`,
      body,
      assertion: await parts.asserter.forClient(client, signedIn, route.audiences),
      withSession: signedIn !== null,
      standstillMs: parts.standstillMs,
      ownHeaders: transport,
    });
  };
}

/** The bytes of a JSON body that was looked at, null for none. A client that is gone has nobody to be answered. */
async function readScreened(
  { standstillMs }: EdgeParts,
  req: Request,
  res: Response,
  { maxBodyBytes }: Route,
  plan: FieldPlan,
): Promise<Buffer | null> {
  try {
    const body = await readJson(req, res, maxBodyBytes, standstillMs);
    if (body) screenBody(body.value, plan);
    return body?.bytes ?? null;
  } catch (thrown) {
    if (!(thrown instanceof ClientGone)) throw thrown;
    res.destroy();
    return null;
  }
}
