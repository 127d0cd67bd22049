import { createServer, type RequestListener, type Server, type ServerOptions } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Logger } from "./logger.ts";
import type { Tls } from "./tls.ts";
import { type OnMalformed, refuseOnTheWire } from "./wire.ts";

/** Slow clients hold a socket each (10 s for headers, 30 s for an idle body), but no more. */
const MAX_CONNECTIONS = 10_000;

/** Node's parser is strict; these bound what a slow or greedy client can hold. */
const HTTP_LIMITS: ServerOptions = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 10_000,
  connectionsCheckingInterval: 1_000, // for both timeouts; with Node's 30 s, 10 s can last 40 s
  requestTimeout: 300_000, // an upload of 160 MiB at 5 Mbit/s
  keepAliveTimeout: 65_000, // longer than any client's own, so that we are not the one who closes
  insecureHTTPParser: false,
  requireHostHeader: false, // Node would answer without our headers; the gateway requires it
};

/** Each reason of refused handshakes is logged once in this time: callers must not fill the log. */
const LOG_AGAIN_MS = 60_000;

/** Both have what we use. */
export type Listener = Server | TlsServer;

interface ListenerOptions {
  tls: Tls | null;
  /** Default `listener`. */
  as?: "listener" | "adminListener";
  logger: Logger;
  http?: ServerOptions | undefined;
  onMalformed?: OnMalformed | undefined;
}

/** A server of HTTP/1.1 with our limits and refusals, plain or TLS; it loads new certificates. */
export function createListener(options: ListenerOptions, handler: RequestListener): Listener {
  const { logger, tls, as = "listener" } = options;
  const http = { ...HTTP_LIMITS, ...options.http };
  const served = tls?.[as];
  const server = served ? createTlsServer({ ...http, ...served }, handler) : createServer(http, handler);
  server.maxConnections = MAX_CONNECTIONS;
  tls?.onChange(() => {
    const now = tls[as];
    if (now && "setSecureContext" in server) server.setSecureContext(now);
  });
  const loggedAt = new Map<string, number>();
  refuseOnTheWire(server, options.onMalformed, (reason, address) => {
    const now = Date.now();
    if (now - (loggedAt.get(reason) ?? 0) < LOG_AGAIN_MS) return;
    loggedAt.set(reason, now); // OpenSSL has a bounded number of reasons
    logger.warn({ reason, host: address }, "a TLS handshake was refused");
  });
  return server;
}
