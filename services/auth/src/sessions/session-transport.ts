import {
  ACCESS_COOKIE,
  CSRF_HEADER,
  DEVICE_COOKIE,
  InvalidInput,
  REFRESH_COOKIE,
  REFRESH_HEADER,
  Refresh,
  type SessionTransport,
  TRANSPORT_HEADER,
} from "@medvault/contracts";
import { parse } from "@medvault/service-kit";
import type { Request, Response } from "express";

interface Given {
  accessToken?: string;
  refreshToken?: string;
  deviceToken?: string | undefined;
  tokenType?: string;
  expiresIn?: number;
  absoluteExpiresAt?: string;
  /** There for a cookie session only. */
  csrfToken?: string;
}

/** How this request's tokens travel, by the gateway's word: it passes no client's own header on. */
export function transportOf(req: Request): SessionTransport {
  return req.get(TRANSPORT_HEADER) === "cookie" ? "cookie" : "bearer";
}

/**
 * The answer that hands tokens out. Those of a cookie session go into cookies and are not in the body; the CSRF token,
 * which scripts of the page must read, is there alone.
 */
export function handOut<T extends Given>(
  res: Response,
  given: T,
): Omit<T, "accessToken" | "refreshToken" | "deviceToken" | "tokenType"> | T {
  if (given.csrfToken === undefined) return given;
  const { accessToken, refreshToken, deviceToken, tokenType: _tokenType, ...shown } = given;
  if (accessToken) res.append("Set-Cookie", cookie(ACCESS_COOKIE, accessToken, `Max-Age=${given.expiresIn}`));
  if (refreshToken) {
    const until = new Date(given.absoluteExpiresAt ?? 0).toUTCString();
    res.append("Set-Cookie", cookie(REFRESH_COOKIE, refreshToken, `Expires=${until}`));
  }
  // How long it is good for is not the cookie's to say: browsers keep none for longer than this.
  if (deviceToken) res.append("Set-Cookie", cookie(DEVICE_COOKIE, deviceToken, "Max-Age=34560000"));
  return shown;
}

/** Takes both cookies back, where the session was in cookies. */
export function clearCookies(req: Request, res: Response): void {
  if (transportOf(req) !== "cookie") return;
  for (const name of [ACCESS_COOKIE, REFRESH_COOKIE]) res.append("Set-Cookie", cookie(name, "", "Max-Age=0"));
}

/** The refresh token of a request, from its cookie or its body; both would be two sessions' word. Throws InvalidInput. */
export function refreshGiven(req: Request): {
  refreshToken: string;
  transport: SessionTransport;
  csrfToken: string | undefined;
} {
  const inCookie = req.get(REFRESH_HEADER);
  if (inCookie === undefined) {
    return { ...parse(Refresh, req.body), transport: "bearer", csrfToken: undefined };
  }
  const empty = req.body === undefined || Object.keys(req.body as object).length === 0;
  if (!empty) throw new InvalidInput("The refresh token is in its cookie; send no body.");
  return { refreshToken: inCookie, transport: "cookie", csrfToken: req.get(CSRF_HEADER) };
}

function cookie(name: string, value: string, lifetime: string): string {
  return `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=Strict; ${lifetime}`;
}
