import {
  CSRF_HEADER,
  DEVICE_COOKIE,
  DEVICE_HEADER,
  InvalidInput,
  REFRESH_COOKIE,
  REFRESH_HEADER,
  TRANSPORT_HEADER,
} from "@medvault/contracts";
import type { Request } from "express";
import { assertOwnPage, isUnsafe } from "../origins/own-page.ts";
import { cookieOf } from "./credentials.ts";
import type { SignedIn } from "./session.ts";

const REFRESH_PATH = "/v1/auth/refresh";
const LOOPBACK = /^(127\.|::1$)/;

/**
 * Headers of the gateway's own for a request to auth: by which transport its tokens travel
 * (whatever the client claimed), and the token of its device. Throws InvalidInput for an unknown
 * transport or cookies over plain http, CsrfFailed where a page of another site starts or renews a
 * cookie session.
 */
export function authHeaders(
  req: Request,
  path: string,
  clientIp: string,
  signedIn: SignedIn | null,
): Record<string, string> {
  const device = req.get(DEVICE_HEADER) ?? cookieOf(req.headers.cookie, DEVICE_COOKIE);
  return {
    ...(device && { [DEVICE_HEADER]: device }),
    ...transportHeaders(req, path, clientIp, signedIn),
  };
}

function transportHeaders(
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

/** Whether no one can have listened: TLS here or at a trusted proxy, or this machine's client. */
function isSecure(req: Request, clientIp: string): boolean {
  const socket = req.socket as typeof req.socket & { encrypted?: boolean };
  if (socket.encrypted) return true;
  const peer = (socket.remoteAddress ?? "").replace(/^::ffff:/i, "");
  // The client's address differs from the peer's only where the peer is a trusted proxy.
  if (peer !== clientIp) return req.get("x-forwarded-proto")?.split(",").at(-1)?.trim() === "https";
  return LOOPBACK.test(clientIp);
}
