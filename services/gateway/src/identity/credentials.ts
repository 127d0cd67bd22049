import { ACCESS_COOKIE, InvalidInput, type SessionTransport } from "@medvault/contracts";
import type { Request } from "express";
import { bearerToken } from "./access-token.ts";

export interface Credentials {
  token: string;
  transport: SessionTransport;
}

/**
 * The access token of a request, from its header or its cookie; null for neither. Throws
 * InvalidInput for both: which of two people is asking must not depend on who reads the request.
 * Throws TokenRefused for another scheme.
 */
export function credentialsOf(req: Request): Credentials | null {
  const inCookie = cookieOf(req.headers.cookie, ACCESS_COOKIE);
  const token = bearerToken(req.headers.authorization);
  if (token !== null && inCookie !== null) {
    throw new InvalidInput("Send an access token or the session's cookies, not both.");
  }
  if (token !== null) return { token, transport: "bearer" };
  return inCookie === null ? null : { token: inCookie, transport: "cookie" };
}

/** Every access token that a request shows, also where it may not show two. */
export function shownTokens(req: Request): string[] {
  const readers = [
    () => bearerToken(req.headers.authorization),
    () => cookieOf(req.headers.cookie, ACCESS_COOKIE),
  ];
  return readers.flatMap((read) => {
    try {
      return read() ?? [];
    } catch {
      return []; // not well-formed
    }
  });
}

/** The value of one cookie, null for none or an empty one. Throws InvalidInput for two of them. */
export function cookieOf(header: string | undefined, name: string): string | null {
  if (!header?.includes(name)) return null;
  const values = header
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  if (values.length > 1) throw new InvalidInput("A cookie of the session came twice.");
  return values[0] || null;
}
