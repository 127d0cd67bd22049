/**
 * How web clients carry a session: `X-Session-Transport: cookie` at sign-in, then in these cookies
 * alone. By the prefix browsers keep them to this host, https and all paths (RFC 6265bis, 4.1.3.2).
 */
export const ACCESS_COOKIE = "__Host-medvault-access";
export const REFRESH_COOKIE = "__Host-medvault-refresh";
/** It outlives sessions: it gives the device a lockout bucket of its own, and opens nothing. */
export const DEVICE_COOKIE = "__Host-medvault-device";
/** From a client without cookies: the device token of an earlier sign-in. */
export const DEVICE_HEADER = "x-device-token";

/** From a client: how it wants its tokens. To a service: how they travel, set by the gateway. */
export const TRANSPORT_HEADER = "x-session-transport";
/** To auth, from the gateway alone: the refresh token that came in its cookie. */
export const REFRESH_HEADER = "x-session-refresh";
/** On every unsafe call of a cookie session. */
export const CSRF_HEADER = "x-csrf-token";

export type SessionTransport = "bearer" | "cookie";

/** What becomes of a session that is used with another user agent or from elsewhere. */
export const BINDINGS = ["enforce", "watch", "off"] as const;
/** `enforce`: it ends. `watch`: it goes on, and one event reports it. */
export type Binding = (typeof BINDINGS)[number];
