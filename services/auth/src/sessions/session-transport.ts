import {
  ACCESS_COOKIE,
  CSRF_HEADER,
  DEVICE_COOKIE,
  InvalidInput,
  REFRESH_COOKIE,
  REFRESH_HEADER,
  type SessionTransport,
  TRANSPORT_HEADER,
} from "@medvault/contracts";

/** A request's headers. */
interface Headers {
  get(name: string): string | undefined;
}

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
type Hidden = "accessToken" | "refreshToken" | "deviceToken" | "tokenType" | "csrfToken";
/** What is left for the body where tokens travel in cookies. */
type Shown<T> = T extends unknown ? Omit<T, Hidden> & { csrfToken: string } : never;

/** How this request's tokens travel, by the gateway's word: it passes no client's own header on. */
export function transportOf(req: Headers): SessionTransport {
  return req.get(TRANSPORT_HEADER) === "cookie" ? "cookie" : "bearer";
}

/**
 * The answer that hands tokens out. Those of a cookie session go into cookies and are not in the
 * body; the CSRF token, which scripts of the page must read, is there alone.
 */
export function handOut<T extends Given>(
  given: T,
): { body: T | Shown<T>; headers?: { "set-cookie": string[] } } {
  const { accessToken, refreshToken, deviceToken, tokenType: _, csrfToken, ...shown } = given;
  if (csrfToken === undefined) return { body: given };
  const cookies: string[] = [];
  if (accessToken) cookies.push(cookie(ACCESS_COOKIE, accessToken, `Max-Age=${given.expiresIn}`));
  if (refreshToken) {
    const until = new Date(given.absoluteExpiresAt ?? 0).toUTCString();
    cookies.push(cookie(REFRESH_COOKIE, refreshToken, `Expires=${until}`));
  }
  // How long it is good for is not the cookie's to say: browsers keep none for longer than this.
  if (deviceToken) cookies.push(cookie(DEVICE_COOKIE, deviceToken, "Max-Age=34560000"));
  return { body: { ...shown, csrfToken } as unknown as Shown<T>, headers: { "set-cookie": cookies } };
}

/** The answer that takes both cookies back, where the session was in cookies. */
export function clearCookies(req: Headers): { headers?: { "set-cookie": string[] } } {
  if (transportOf(req) !== "cookie") return {};
  return {
    headers: { "set-cookie": [ACCESS_COOKIE, REFRESH_COOKIE].map((name) => cookie(name, "", "Max-Age=0")) },
  };
}

/**
 * The refresh token of a request, from its cookie or its body; both would be two sessions' word.
 * Throws InvalidInput.
 */
export function refreshInput(
  req: Headers,
  body: { refreshToken: string } | undefined,
): { refreshToken: string; transport: SessionTransport; csrfToken: string | undefined } {
  const inCookie = req.get(REFRESH_HEADER);
  if (inCookie !== undefined) {
    if (body) throw new InvalidInput("The refresh token is in its cookie; send no body.");
    return { refreshToken: inCookie, transport: "cookie", csrfToken: req.get(CSRF_HEADER) };
  }
  if (!body) {
    throw new InvalidInput("Send a refresh token.", [
      { path: "refreshToken", code: "required", message: "is needed" },
    ]);
  }
  return { ...body, transport: "bearer", csrfToken: undefined };
}

function cookie(name: string, value: string, lifetime: string): string {
  return `${name}=${value}; Path=/; Secure; HttpOnly; SameSite=Strict; ${lifetime}`;
}
