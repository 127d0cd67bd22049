import { NotFound } from "@medvault/contracts";
import type { Request, RequestHandler, Response } from "express";
import { type Admission, admit } from "./admission/admission.service.ts";
import type { Asserter } from "./identity/asserter.ts";
import { rememberClient } from "./identity/client.ts";
import { EnrollmentRequired } from "./identity/identity.errors.ts";
import { authHeaders } from "./identity/session-transport.ts";
import type { Inspect } from "./inspection/inspect.ts";
import { MethodNotAllowed } from "./inspection/inspection.errors.ts";
import { readJson } from "./inspection/json-body.ts";
import { forward } from "./proxy/forward.service.ts";
import { ClientGone } from "./proxy/proxy.errors.ts";
import type { Upstream } from "./proxy/upstream.client.ts";
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
  /** How long a body may be idle, in or out. */
  idleTimeoutMs: number;
}

const METHODS: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/**
 * What every request passes: address, inspection, route, limits, token, session, body; then it goes
 * on to its service, or to `next` where the gateway answers itself. A refusal is thrown, before
 * anything of the request has reached a service.
 */
export function edge(parts: EdgeParts): RequestHandler {
  return async (req, res, next) => {
    const client = rememberClient(req, parts.addressOf(req));
    if (!METHODS.includes(req.method)) {
      res.setHeader("Allow", METHODS.join(", "));
      throw new MethodNotAllowed();
    }
    const { path, query, plan, refuseUnknownQuery } = parts.inspect(req);
    const route = parts.routes(req.method, path);
    const signedIn = await admit(parts.admission, { req, res, ...client, path, route });
    if (!route) throw new NotFound();
    if (signedIn?.enrollment && !route.enrollment) throw new EnrollmentRequired();
    const ownHeaders = route.service === "auth" ? authHeaders(req, path, client.ip, signedIn) : {};
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
      idleTimeoutMs: parts.idleTimeoutMs,
      ownHeaders,
    });
  };
}

/** The bytes of a screened JSON body, null for none. A client that went away needs no answer. */
async function readScreened(
  { idleTimeoutMs }: EdgeParts,
  req: Request,
  res: Response,
  { maxBodyBytes }: Route,
  plan: FieldPlan,
): Promise<Buffer | null> {
  try {
    const body = await readJson(req, res, maxBodyBytes, idleTimeoutMs);
    if (body) screenBody(body.value, plan);
    return body?.bytes ?? null;
  } catch (thrown) {
    if (!(thrown instanceof ClientGone)) throw thrown;
    res.destroy();
    return null;
  }
}
