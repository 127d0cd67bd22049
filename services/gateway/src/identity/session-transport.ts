import {
  CSRF_HEADER,
  InvalidInput,
  REFRESH_COOKIE,
  REFRESH_HEADER,
  TRANSPORT_HEADER,
} from "@medvault/contracts";
import type { Request } from "express";
import { cookieOf } from "./credentials.ts";
import { assertOwnPage, isUnsafe } from "./own-page.ts";
import type { SignedIn } from "./session.service.ts";

const REFRESH_PATH = "/v1/auth/refresh";
const LOOPBACK = /^(127\.|::1$)/;

/**
 * What auth must be told of how a request's tokens travel: our word, which replaces whatever the client sent. Only what
 * comes to auth is looked at. Throws InvalidInput (another transport than there is; cookies over plain http) or
 * CsrfFailed (a page of somebody else's starts or renews a cookie session).
 */
export function transportHeaders(
  req: Request,
  path: string,
  clientIp: string,
  signedIn: SignedIn | null,
): Record<string, string> {
  if (signedIn) return signedIn.transport === "cookie" ? { [TRANSPORT_HEADER]: "cookie" } : {};
  if (!isUnsafe(req.method)) return {};
  const wanted = req.get(TRANSPORT_HEADER);
  if (wanted !== undefined && wanted !== "cookie" && wanted !== "bearer") {
    throw new InvalidInput(undefined, [{ path: "X-Session-Transport", message: "must be cookie or bearer" }]);
  }
  const refresh = path === REFRESH_PATH ? cookieOf(req.headers.cookie, REFRESH_COOKIE) : null;
  if (refresh === null && wanted !== "cookie") return {};
  if (!isSecure(req, clientIp)) {
    throw new InvalidInput(undefined, [
      { path: "X-Session-Transport", message: "cookies travel over https, or to this machine itself" },
    ]);
  }
  assertOwnPage(req);
  const csrf = req.get(CSRF_HEADER);
  return {
    [TRANSPORT_HEADER]: "cookie",
    ...(refresh !== null && { [REFRESH_HEADER]: refresh }),
    ...(refresh !== null && csrf !== undefined && { [CSRF_HEADER]: csrf }),
  };
}

/** Whether nobody on the way can have read it: TLS here or at a proxy that is trusted, or no way at all. */
function isSecure(req: Request, clientIp: string): boolean {
  const socket = req.socket as typeof req.socket & { encrypted?: boolean };
  if (socket.encrypted) return true;
  const peer = (socket.remoteAddress ?? "").replace(/^::ffff:/i, "");
  // The client's address is another than the peer's only where the peer is a trusted proxy.
  if (peer !== clientIp) return req.get("x-forwarded-proto")?.split(",").at(-1)?.trim() === "https";
  return LOOPBACK.test(clientIp);
}
