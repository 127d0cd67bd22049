import type { SecureContext } from "node:tls";
import { buildConnector } from "undici";
import type { Tls } from "./tls.ts";

/**
 * How an undici pool connects to another service: to https with our present certificate and CA,
 * checking the server's name; the handshake counts towards `timeoutMs`.
 */
export function connectorOf(tls: Tls | null, timeoutMs: number): buildConnector.connector {
  let built: { for: SecureContext | undefined; connect: buildConnector.connector } | null = null;
  return (options, callback) => {
    const secureContext = tls?.outgoing.secureContext;
    // A new context has a new cache of TLS sessions: none made under an old CA is resumed.
    if (built === null || built.for !== secureContext)
      built = {
        for: secureContext,
        connect: buildConnector({
          rejectUnauthorized: true,
          ...(secureContext ? { secureContext } : {}),
          timeout: timeoutMs,
          allowH2: false,
        }),
      };
    built.connect(options, callback);
  };
}
