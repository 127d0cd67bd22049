import { BASE_HEADER, NotFound } from "@medvault/contracts";
import { noteSession } from "@medvault/service-kit";
import type { Request, RequestHandler, Response } from "express";
import { admit } from "./admission/admission.service.ts";
import type { Context } from "./context.ts";
import { sourceOf } from "./identity/client.ts";
import { EnrollmentRequired } from "./identity/identity.errors.ts";
import { authHeaders } from "./identity/session-transport.ts";
import { inspector } from "./inspection/inspect.ts";
import { MethodNotAllowed } from "./inspection/inspection.errors.ts";
import { readJson } from "./inspection/json-body.ts";
import { isUnsafe } from "./origins/own-page.ts";
import { forward } from "./proxy/forward.service.ts";
import { ClientGone } from "./proxy/proxy.errors.ts";
import type { RefusalLog } from "./refusals/refusal-log.ts";
import { routeDocuments } from "./routing/route-docs.ts";
import { createRouteTable, type Route } from "./routing/route-table.ts";
import type { FieldPlan } from "./screening/field-plan.ts";
import { screenBody } from "./screening/screen.ts";
import { publicRoutes } from "./system/openapi.ts";

/** A caller has an answer within 3 s, whatever is the matter with us: half a second is to spare. */
const ANSWER_MS = 2_500;
/** What is left for the service, however long the admission took. */
const LEAST_ANSWER_MS = 500;
/** For what its document declares as slow. */
const SLOW_ANSWER_MS = 120_000;
const METHODS: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/**
 * What every request passes: address, inspection, route, limits, token, session, body; then it goes
 * on to its service, or to `next` where the gateway answers itself. A refusal is thrown, before
 * anything of the request has reached a service.
 */
export function edge(context: Context, refusals: RefusalLog): RequestHandler {
  const { config, admission, asserter, upstreams, idleTimeoutMs } = context;
  const inspect = inspector(routeDocuments(publicRoutes));
  /** FHIR's links are whole URLs: they lead to where the client found us. */
  const linkHeaders = (req: Request, path: string): Record<string, string> => {
    if (!path.startsWith("/v1/fhir/")) return {};
    const scheme = req.secure || config.MEDVAULT_TLS_TERMINATED ? "https" : "http";
    return { [BASE_HEADER]: `${scheme}://${req.headers.host}` };
  };
  const routeOf = createRouteTable({ maxUploadBytes: config.MEDVAULT_MAX_UPLOAD_BYTES });
  return async (req, res, next) => {
    const client = sourceOf(req);
    if (!METHODS.includes(req.method)) {
      res.setHeader("Allow", METHODS.join(", "));
      throw new MethodNotAllowed();
    }
    const startedAt = performance.now();
    const { path, query, plan, slow, permission, refuseUnknownQuery } = inspect(req);
    const route = routeOf(req.method, path);
    const admitted = await admit(admission, { req, res, ...client, path, route, permission });
    const { signedIn } = admitted;
    if (signedIn) noteSession(req, signedIn.sid);
    const admittedInMs = performance.now() - startedAt;
    if (!route) throw new NotFound();
    if (signedIn?.enrollment && !route.enrollment) throw new EnrollmentRequired();
    const ownHeaders =
      route.service === "auth" ? authHeaders(req, path, client.ip, signedIn) : linkHeaders(req, path);
    refuseUnknownQuery();
    if (!route.service) return next();
    const body = route.streams ? undefined : await readScreened(req, res, route, plan, idleTimeoutMs);
    if (res.destroyed) return; // gone while its body was read
    await forward(req, res, {
      upstream: upstreams[route.service],
      route,
      target: `${path}${query}`,
      answerMs: slow ? SLOW_ANSWER_MS : Math.max(LEAST_ANSWER_MS, ANSWER_MS - admittedInMs),
      body,
      assertion: await asserter.forClient(client, admitted, route.audiences),
      withSession: signedIn !== null,
      onUnrecorded: signedIn ? (status, code) => refusals.noteAnswer(req, signedIn, status, code) : undefined,
      idleTimeoutMs,
      watch:
        signedIn && permission
          ? (end) =>
              admission.standings.watch({
                ...{ signedIn, permission, end },
                use: { ...client, transport: signedIn.transport },
              })
          : undefined,
      // It may have ended sessions or changed roles: here the next request sees that at once.
      onSettled:
        route.service === "auth" && isUnsafe(req.method) ? admission.store.forgetSessions : undefined,
      ownHeaders,
    });
  };
}

/** The bytes of a screened JSON body, null for none. A client that went away needs no answer. */
async function readScreened(
  req: Request,
  res: Response,
  { maxBodyBytes }: Route,
  plan: FieldPlan,
  idleTimeoutMs: number,
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
